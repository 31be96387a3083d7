"""What a call may ask for, lavaan's defaults of each kind of model, and what this version refuses.

A refusal names what to do instead; nothing that was asked for is left out silently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from implstats.errors import NotSupportedError, UsageError, did_you_mean
from implstats.sem.estimators.weights import FOR_ORDERED, LEAST_SQUARES

Kind = Literal["sem", "cfa", "growth", "lavaan"]
Estimator = Literal[
    "ML", "MLR", "MLM", "MLMV", "MLMVS", "GLS", "WLS", "DWLS", "ULS",
    "WLSM", "WLSMV", "WLSMVS", "ULSM", "ULSMV", "ULSMVS",
]  # fmt: skip
Missing = Literal["listwise", "fiml", "pairwise", "two.stage", "robust.two.stage"]
Information = Literal["expected", "observed"]
Parameterization = Literal["delta", "theta"]
TWO_STAGE = ("two.stage", "robust.two.stage")
# lavaan reads both spellings; one name a thing inside.
SPELLINGS = {"two-stage": "two.stage", "robust-two-stage": "robust.two.stage"}
WITH_GAPS = ("fiml", *TWO_STAGE)
GROUP_EQUAL = (
    "loadings", "intercepts", "means", "thresholds", "regressions", "residuals", "residual.covariances",
    "lv.variances", "lv.covariances",
)  # fmt: skip
FULL_INFORMATION_ESTIMATORS = ("ML", "MLR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A validated call of :func:`implstats.sem.fit`.

    Attributes
    ----------
    kind, estimator, missing, parameterization : str
    orthogonal, std_lv : bool
        Latent covariances fixed at zero; latent variances fixed at one instead of the first loading.
    meanstructure : bool or None
        ``None``: only if the model or its kind asks for means.
    fixed_x : bool
        Observed predictors keep their sample moments and count no parameters, except under least squares and
        two stages.
    ci_level : float
        Between 0 and 1.
    group : str or None
        Column that tells groups apart.
    group_equal, group_partial : tuple of str
        Kinds of parameters equal in all groups; single parameters, such as ``"x3~1"``, that stay free.
    ordered : tuple of str
        Items with ordered categories.
    thresholds : tuple of (str, int)
        Number of thresholds of each ordered item, in the model's order; filled in from the data.
    cluster : str or None
        Column that tells clusters apart; ``estimator`` is then ``MLR``, which ML with clusters amounts to.
    information : {"expected", "observed"}
        Where the standard errors of ML come from. By default expected for complete persons, observed under
        full information, where expected information needs answers missing completely at random.
    test : str or None
        The scaled test of ``MLR`` where it is not the estimator's own.
    structured_trace : bool
        Whether the scaled test's information leaves out second derivatives of the moments in the parameters.
    """

    kind: Kind
    estimator: Estimator
    missing: Missing
    parameterization: Parameterization
    orthogonal: bool
    std_lv: bool
    meanstructure: bool | None
    fixed_x: bool
    ci_level: float
    information: Information
    group: str | None = None
    group_equal: tuple[str, ...] = ()
    group_partial: tuple[str, ...] = ()
    auxiliary: tuple[str, ...] = ()
    ordered: tuple[str, ...] = ()
    thresholds: tuple[tuple[str, int], ...] = ()
    cluster: str | None = None
    test: str | None = None
    structured_trace: bool = False

    @property
    def two_stage(self) -> bool:
        """Whether the model is fitted to the saturated moments of incomplete data."""
        return self.missing in TWO_STAGE

    @property
    def least_squares(self) -> bool:
        """Whether the estimator weights squared residuals of sample statistics."""
        return self.estimator in LEAST_SQUARES

    @property
    def automatic(self) -> bool:
        """Whether variances, covariances and scaling constraints are added (all kinds but ``lavaan``)."""
        return self.kind != "lavaan"

    @property
    def free_observed_means(self) -> bool:
        """Whether unmentioned observed intercepts are free (``int.ov.free``)."""
        return self.kind in ("sem", "cfa")

    @property
    def free_latent_means(self) -> bool:
        """Whether unmentioned latent means are free (``int.lv.free``)."""
        return self.kind == "growth"


def check_options(
    *,
    kind: str,
    estimator: str | None,
    missing: str,
    group: str | None,
    group_equal: Sequence[str],
    cluster: str | None,
    ordered: Sequence[str],
    parameterization: str,
    orthogonal: bool,
    std_lv: bool,
    meanstructure: bool | None,
    ci_level: float,
    information: str | None = None,
    group_partial: Sequence[str] = (),
) -> Options:
    """Return the validated options.

    Raises
    ------
    UsageError
        An unknown value, with the known ones.
    NotSupportedError
        A value that this version does not fit, with the alternative.
    """
    estimator = estimator or ("WLSMV" if ordered else "ML")
    missing = SPELLINGS.get(missing, missing)
    _check_known(
        kind=kind,
        estimator=estimator,
        missing=missing,
        parameterization=parameterization,
        information=information,
        group_equal=group_equal,
    )
    if not (isinstance(ci_level, int | float) and 0 < ci_level < 1):
        raise UsageError(f"ci_level should lie between 0 and 1 (got {ci_level}); 0.95 is usual.")
    _refuse_with_clusters(cluster, estimator=estimator, missing=missing, ordered=ordered)
    structured_trace = cluster is not None and estimator == "ML"
    if cluster is not None:
        estimator = "MLR"
    _check_combinations(
        estimator=estimator, missing=missing, meanstructure=meanstructure, information=information
    )
    check_item_type(estimator=estimator, missing=missing, ordered=tuple(ordered), meanstructure=meanstructure)
    _check_groups(group, group_equal, group_partial, meanstructure)
    _refuse(
        estimator=estimator,
        missing=missing,
        group_equal=group_equal,
        ordered=ordered,
    )
    return Options(
        kind=kind, estimator=estimator, missing=missing, parameterization=parameterization,  # type: ignore[arg-type]
        orthogonal=orthogonal, std_lv=std_lv,
        fixed_x=(estimator.startswith("ML") and missing not in TWO_STAGE) or bool(ordered),
        ordered=tuple(dict.fromkeys(ordered)),
        meanstructure=True if missing in WITH_GAPS or ordered
        or (meanstructure is None and (group is not None or cluster is not None))
        else meanstructure,
        ci_level=float(ci_level), group=group, group_equal=tuple(group_equal),
        group_partial=tuple(group_partial), cluster=cluster, structured_trace=structured_trace,
        information=information or ("observed" if missing == "fiml" else "expected"),  # type: ignore[arg-type]
    )  # fmt: skip


def _check_known(
    *,
    kind: str,
    estimator: str,
    missing: str,
    parameterization: str,
    information: str | None,
    group_equal: Sequence[str],
) -> None:
    """Raise for a word that is not one of an option's words, naming them."""
    for name, value, known in (
        ("kind", kind, get_args(Kind)),
        ("estimator", estimator, get_args(Estimator)),
        ("missing", missing, get_args(Missing)),
        ("parameterization", parameterization, get_args(Parameterization)),
        ("information", information or "expected", get_args(Information)),
    ):
        if value not in known:
            raise UsageError(
                f"{name} '{value}' is not known{did_you_mean(str(value), known) or '.'} Choose one of "
                f"{', '.join(known)}."
            )
    for name in group_equal:
        if name not in GROUP_EQUAL:
            raise UsageError(
                f"group_equal '{name}' is not known{did_you_mean(name, GROUP_EQUAL) or '.'} Choose from "
                f"{', '.join(GROUP_EQUAL)}."
            )


def _refuse_with_clusters(
    cluster: str | None, *, estimator: str, missing: str, ordered: Sequence[str]
) -> None:
    """Raise for what has no cluster-robust standard errors here."""
    if cluster is None:
        return
    problems = []
    if ordered:
        problems.append("ordered items: treat them as numbers (leave ordered out)")
    elif estimator not in FULL_INFORMATION_ESTIMATORS:
        problems.append(f"estimator '{estimator}': use 'MLR'")
    if missing not in ("listwise", "fiml") and not ordered:
        problems.append(f"missing '{missing}': use 'fiml' or 'listwise'")
    if problems:
        raise NotSupportedError(
            f"Not done by this version of implstats with cluster '{cluster}': " + "; ".join(problems) + "."
        )


def with_auxiliary_option(options: Options, auxiliary: tuple[str, ...]) -> Options:
    """Return the options with auxiliary variables; :class:`UsageError` without full information."""
    if options.missing != "fiml":
        raise UsageError(
            f"auxiliary {', '.join(auxiliary)}: they inform about missing answers, which missing "
            f"'{options.missing}' does not use. Take missing 'fiml', or leave auxiliary out."
        )
    return replace(options, auxiliary=auxiliary)


def _check_combinations(
    *, estimator: str, missing: str, meanstructure: bool | None, information: str | None
) -> None:
    if missing in WITH_GAPS and meanstructure is False:
        raise UsageError(
            f"missing '{missing}' needs means, because gaps make them part of the likelihood, but "
            "meanstructure is switched off. Leave meanstructure out, or use missing 'listwise'."
        )
    if missing in TWO_STAGE and (estimator != "ML" or information is not None):
        raise UsageError(
            f"missing '{missing}' goes with estimator 'ML' and has its own standard errors and test. Leave "
            "estimator and information out; 'robust.two.stage' is robust to non-normal answers."
        )
    if information is not None and estimator != "ML":
        raise UsageError(
            f"information '{information}' goes with estimator 'ML'; {estimator} has its own in the sandwich. "
            "Leave information out."
        )


def check_item_type(
    *, estimator: str, missing: str, ordered: Sequence[str], meanstructure: bool | None
) -> None:
    """Raise where the estimator, the treatment of missing answers and the items' type do not go together."""
    if not ordered and estimator in FOR_ORDERED:
        raise UsageError(
            f"estimator '{estimator}' is for ordered items, but none are named. Name them in ordered, or "
            "take 'MLR' (robust, for items treated as numbers) or 'DWLS'."
        )
    if not ordered:
        return
    if estimator == "GLS" or estimator not in LEAST_SQUARES:
        raise UsageError(
            f"estimator '{estimator}' does not take ordered items. Use 'WLSMV' (the default with ordered), "
            "or leave ordered out to treat the items as numbers under 'MLR'."
        )
    if missing in WITH_GAPS:
        raise NotSupportedError(
            f"missing '{missing}' with ordered items is not done by this version of implstats: their "
            "likelihood has no closed form. Use 'pairwise' (every pair of answers given) or 'listwise'; or "
            "leave ordered out and use 'MLR' with 'fiml'."
        )
    if meanstructure is False:
        raise UsageError("Thresholds of ordered items are part of the means. Leave meanstructure out.")


def _check_groups(
    group: str | None, equal: Sequence[str], partial: Sequence[str], meanstructure: bool | None
) -> None:
    if group is None and (equal or partial):
        raise UsageError(
            "group_equal and group_partial say what is equal across groups, but no group is given. Name the "
            "column that tells groups apart, as in group='arm'."
        )
    if partial and not equal:
        raise UsageError("group_partial frees parameters of group_equal, which is empty. Give both.")
    of_means = [name for name in equal if name in ("intercepts", "means")]
    if of_means and meanstructure is False:
        raise UsageError(
            f"group_equal {' and '.join(of_means)} needs means, but meanstructure is switched off. Leave "
            "meanstructure out."
        )


def _refuse(
    *,
    estimator: str,
    missing: str,
    group_equal: Sequence[str],
    ordered: Sequence[str],
) -> None:
    problems = []
    if missing == "pairwise" and not ordered:
        problems.append(
            "missing 'pairwise': use 'fiml' (every answer given) or 'listwise' (complete persons)"
        )
    if missing == "fiml" and not ordered and estimator not in FULL_INFORMATION_ESTIMATORS:
        problems.append(
            f"estimator '{estimator}' with missing 'fiml': use 'MLR', which is robust with gaps too"
        )
    if "thresholds" in group_equal and not ordered:
        problems.append("group_equal 'thresholds': it needs ordered items; name them in ordered")
    if problems:
        raise NotSupportedError("Not done by this version of implstats: " + "; ".join(problems) + ".")
