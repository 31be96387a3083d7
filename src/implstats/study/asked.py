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


class SemQuestion(Question):
    """Settings shared by the questions that a structural equation model answers."""

    estimator: (
        Literal["ML", "MLR", "MLM", "MLMV", "GLS", "ULS", "WLS", "DWLS", "WLSMV", "WLSM", "ULSMV"] | None
    ) = Field(None, description="ML when left out; WLSMV with ordered answers.")
    missing: Literal["listwise", "fiml", "pairwise"] = Field(
        "listwise", description="fiml with ML and MLR; pairwise with ordered answers."
    )
    std_lv: bool = False
    ci_level: float = Field(0.95, gt=0, lt=1)
    wave: WaveValue | None = Field(None, description="Only this wave; needed when the table has waves.")
    cluster: Name | None = Field(
        None,
        description="Cluster level whose answers are alike: cluster-robust standard errors and tests "
        "(with ML and MLR).",
    )


class Cfa(SemQuestion):
    """Do the items of each scale measure one thing? One factor a scale, factors correlated."""

    type: Literal["cfa"]
    scales: list[Name] = Field(min_length=1)
    separate: bool = Field(False, description="True: one model for each scale.")
    ordered: bool = Field(
        False, description="True: answers are ordered categories (thresholds, polychoric correlations)."
    )


class PathModel(SemQuestion):
    """A path or structural model in lavaan's language, on scores or items."""

    type: Literal["path"]
    model: str = Field(min_length=3)
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
    steps: list[Literal["configural", "metric", "scalar", "strict", "means"]] = Field(
        default=["configural", "metric", "scalar", "strict"], min_length=2
    )
    estimator: Literal["ML", "MLR"] = "MLR"
    missing: Literal["listwise", "fiml"] = "fiml"


class Attrition(Question):
    """Who leaves? Participation by wave and what tells leavers from stayers at the first wave."""

    type: Literal["attrition"]
    variables: list[Name] = Field(default_factory=list, description="First-wave variables to compare.")


AnyQuestion = Annotated[
    NullModel | Growth | Contextual | Mixed | Cfa | PathModel | Invariance | Attrition,
    Field(discriminator="type"),
]
