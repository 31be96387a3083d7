"""Questions of the study file: what may be asked, and the settings of each kind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from implstats.study.parts import Closed, Name, Slug, WaveValue


class Question(Closed):
    """What every question has."""

    name: Slug
    title: str = ""
    table: Name | None = Field(None, description="Table; the first when left out.")


class MixedQuestion(Question):
    """Settings shared by the questions that a mixed model answers."""

    clusters: list[Name] | None = Field(
        None, description="Levels with a random intercept, 'person' among them; all that apply when left out."
    )
    reml: bool = True
    df: Literal["auto", "kenward-roger", "satterthwaite", "none"] = "auto"
    ci_level: float = Field(0.95, gt=0, lt=1)
    waves: list[WaveValue] | None = Field(None, description="Only these waves; all when left out.")
    robust: Literal["CR0", "CR1", "CR2", "CR3"] | None = Field(
        None,
        description="Cluster-robust standard errors, clustered at the highest level; CR2 for few clusters.",
    )
    few_clusters: Literal["refuse", "fit"] = Field(
        "refuse", description="A random effect of fewer than 5 clusters: refuse it, or fit it with a caution."
    )
    marginal_means: list[str] = Field(
        default_factory=list,
        description="Predictors whose estimated marginal means are shown, as [wave, arm].",
    )
    contrasts: Literal["none", "pairwise", "trt.vs.ctrl", "consec"] = Field(
        "none", description="Of the marginal means: all pairs, each with the first, each with the one before."
    )
    adjust: Literal["holm", "tukey", "bonferroni", "sidak", "mvt", "fdr", "none"] = Field(
        "holm", description="Adjustment of the contrasts' p-values for their number."
    )

    @model_validator(mode="after")
    def _contrasts_have_means(self) -> MixedQuestion:
        if self.contrasts != "none" and not self.marginal_means:
            raise ValueError("'contrasts' compares marginal means; name their predictors in 'marginal_means'")
        return self


class NullModel(MixedQuestion):
    """How much do clusters, and persons, differ? Variance by level and ICC."""

    type: Literal["null_model"]
    outcome: Name


class Growth(MixedQuestion):
    """How does the outcome change over the waves?"""

    type: Literal["growth"]
    outcome: Name
    shape: Literal["linear", "quadratic", "waves"] = Field(
        "linear", description="waves: each wave against the first."
    )
    random_slope: list[Name] = Field(default_factory=list, description="Levels whose time slopes differ.")
    predictors: list[Name] = Field(default_factory=list)
    moderators: list[Name] = Field(
        default_factory=list, description="Predictors that also change the slope (time x predictor)."
    )


class Contextual(MixedQuestion):
    """Is it the person's or the cluster's value that counts? Predictors split within and between clusters."""

    type: Literal["contextual"]
    outcome: Name
    cluster: Name = Field(description="Level at which predictors are split.")
    predictors: list[Name] = Field(min_length=1)
    covariates: list[Name] = Field(default_factory=list)
    coding: Literal["within_between", "contextual"] = Field(
        "within_between",
        description="within_between: centred within clusters plus cluster mean; "
        "contextual: raw value plus cluster mean.",
    )
    random_slope: list[Name] = Field(
        default_factory=list, description="Predictors whose slope differs between clusters."
    )


class Mixed(MixedQuestion):
    """Any mixed model, in lme4's formula language."""

    type: Literal["mixed"]
    formula: str = Field(
        min_length=3, description="Such as 'satisfaction ~ time + leadership + (1 | institution/person)'."
    )
    family: Literal["gaussian", "binomial", "poisson", "nbinom", "ordinal"] = "gaussian"
    link: Literal["identity", "logit", "probit", "log"] | None = Field(
        None, description="The family's usual link when left out."
    )
    agq: int = Field(1, ge=1, description="Points of adaptive quadrature; 1 is Laplace's method.")
    weights: str | None = Field(
        None, description="Column of prior weights, or of a binomial outcome's trials."
    )
    offset: str | None = Field(None, description="Column added to the linear predictor.")
    residual: str | None = Field(
        None, description="Residuals over waves, such as 'ar1(wave | person)' or 'un(wave | person)'."
    )


class Resampling(Closed):
    """The bootstrap: how often persons (with 'cluster': clusters) are drawn again, and which interval."""

    draws: int = Field(2000, ge=99, le=100_000, description="Samples drawn; 1000 or more for a paper.")
    seed: int | None = Field(None, ge=0, le=2**32 - 1, description="The study's seed when left out.")
    interval: Literal["percentile", "bca", "basic"] = Field(
        "percentile", description="bca also refits once without each person: slower, less bias."
    )


SemMissing = Literal["listwise", "fiml", "pairwise", "two-stage", "robust-two-stage"]


class SemQuestion(Question):
    """Settings shared by the questions that a structural equation model answers."""

    estimator: (
        Literal["ML", "MLR", "MLM", "MLMV", "GLS", "ULS", "WLS", "DWLS", "WLSMV", "WLSM", "ULSMV"] | None
    ) = Field(None, description="ML when left out; WLSMV with ordered answers.")
    test: Literal["satorra.bentler", "scaled.shifted", "mean.var.adjusted"] | None = Field(
        None, description="With MLR and complete answers: another scaled test, which holds its level better."
    )
    missing: SemMissing = Field(
        "listwise",
        description="fiml (everyone who answered anything) with ML and MLR; two-stage and robust-two-stage "
        "with ML; pairwise with ordered answers.",
    )
    auxiliary: list[Name] = Field(
        default_factory=list,
        description="With fiml: columns outside the model that tell about missing answers.",
    )
    bootstrap: Resampling | None = Field(
        None, description="Bootstrap errors and intervals of the parameters, indirect effects among them."
    )
    std_lv: bool = False
    ci_level: float = Field(0.95, gt=0, lt=1)
    wave: WaveValue | None = Field(None, description="Only this wave; needed when the table has waves.")
    cluster: Name | None = Field(
        None,
        description="Cluster level whose answers are alike: cluster-robust standard errors and tests "
        "(with ML and MLR); with a model of two levels, the level between.",
    )
    few_clusters: Literal["refuse", "fit"] = Field(
        "refuse", description="A model of two levels, too few clusters: refuse, or fit with a caution."
    )
    h1: Literal["psd", "lavaan", "unconstrained"] = Field(
        "psd", description="Of a model of two levels: the saturated model that chi-square compares with."
    )

    @model_validator(mode="after")
    def _auxiliary_informs_about_gaps(self) -> SemQuestion:
        if self.auxiliary and self.missing in ("listwise", "pairwise"):
            raise ValueError(
                f"'auxiliary' informs about missing answers, which missing '{self.missing}' does not use; "
                "take missing: fiml"
            )
        return self


class Cfa(SemQuestion):
    """Do the items of each scale measure one thing? One factor a scale, factors correlated."""

    type: Literal["cfa"]
    scales: list[Name] = Field(min_length=1)
    separate: bool = Field(False, description="True: one model for each scale.")
    ordered: bool = Field(
        False, description="True: answers are ordered categories (thresholds, polychoric correlations)."
    )
    levels: bool = Field(
        False, description="True: the same factors within and between the clusters of 'cluster' (two levels)."
    )

    @model_validator(mode="after")
    def _levels_have_clusters(self) -> Cfa:
        if self.levels and self.cluster is None:
            raise ValueError("'levels' are persons within clusters; name the cluster level in 'cluster'")
        return self


class PathModel(SemQuestion):
    """A path or structural model in lavaan's language, on scores or items; one or two levels."""

    type: Literal["path"]
    model: str = Field(
        min_length=3, description="With 'level: 1' and 'level: 2' blocks: within and between 'cluster'."
    )
    kind: Literal["sem", "cfa", "growth", "lavaan"] = "sem"
    ordered: list[Name] = Field(default_factory=list, description="Variables that are ordered categories.")


class Invariance(Question):
    """May scores be compared? Measurement invariance of each scale over waves, or between groups."""

    type: Literal["invariance"]
    scales: list[Name] = Field(min_length=1, description="One ladder for each scale; one factor a scale.")
    over: Name = Field(
        "waves", description="'waves', or the cluster level or variable whose groups are compared."
    )
    waves: list[WaveValue] | None = Field(None, description="Only these waves; all when left out.")
    wave: WaveValue | None = Field(
        None, description="For groups: the wave compared; needed when the table has waves."
    )
    steps: list[Literal["configural", "thresholds", "metric", "scalar", "strict", "means"]] | None = Field(
        None, min_length=2, description="All but 'means' when left out; 'thresholds' with ordered answers."
    )
    estimator: Literal["ML", "MLR"] | None = Field(
        None, description="MLR when left out (ML with two stages); ordered answers take WLSMV."
    )
    missing: SemMissing | None = Field(
        None, description="fiml when left out; with ordered answers listwise (or pairwise)."
    )
    ordered: bool = Field(
        False,
        description="True: answers are ordered categories, three or more; the ladder begins with equal "
        "thresholds.",
    )
    cluster: Name | None = Field(
        None, description="Cluster level whose answers are alike: errors and tests that allow for it."
    )
    release: list[str] = Field(
        default_factory=list,
        description="Parameters that stay free in all steps (partial invariance), such as 'mood=~b', 'b~1'; "
        "over waves 'b_2~1', the item at wave 2.",
    )

    @model_validator(mode="after")
    def _ordered_items_have_their_ways(self) -> Invariance:
        if self.ordered and (self.estimator or self.cluster):
            raise ValueError(
                "'ordered' goes without 'estimator' and 'cluster'; leave 'ordered' out to treat the answers "
                "as numbers"
            )
        return self


class Attrition(Question):
    """Who leaves? Participation by wave and what tells leavers from stayers at the first wave."""

    type: Literal["attrition"]
    variables: list[Name] = Field(default_factory=list, description="First-wave variables to compare.")


AnyQuestion = Annotated[
    NullModel | Growth | Contextual | Mixed | Cfa | PathModel | Invariance | Attrition,
    Field(discriminator="type"),
]
