"""Questions of the study file: what may be asked, and the settings of each kind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

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


class SemQuestion(Question):
    """Settings shared by the questions that a structural equation model answers."""

    estimator: Literal["ML", "MLR", "MLM", "GLS", "ULS", "DWLS", "WLSMV", "ULSMV"] = "ML"
    missing: Literal["listwise", "fiml", "pairwise"] = "listwise"
    std_lv: bool = False
    ci_level: float = Field(0.95, gt=0, lt=1)
    wave: WaveValue | None = Field(None, description="Only this wave; needed when the table has waves.")


class Cfa(SemQuestion):
    """Do the items of each scale measure one thing? One factor a scale, factors correlated."""

    type: Literal["cfa"]
    scales: list[Name] = Field(min_length=1)
    separate: bool = Field(False, description="True: one model for each scale.")


class PathModel(SemQuestion):
    """A path or structural model in lavaan's language, on scores or items."""

    type: Literal["path"]
    model: str = Field(min_length=3)
    kind: Literal["sem", "cfa", "growth", "lavaan"] = "sem"


class Attrition(Question):
    """Who leaves? Participation by wave and what tells leavers from stayers at the first wave."""

    type: Literal["attrition"]
    variables: list[Name] = Field(default_factory=list, description="First-wave variables to compare.")


AnyQuestion = Annotated[
    NullModel | Growth | Contextual | Mixed | Cfa | PathModel | Attrition, Field(discriminator="type")
]
