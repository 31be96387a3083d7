"""What an analysis of a scale returns; every number that is None has its reason in ``reasons``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from implstats.results.checks import Check, Verdict, verdict_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemResult:
    """One item, reverse-keyed items already turned round.

    Attributes
    ----------
    item : str
    n : int
        Answers given.
    mean, sd : float or None
        In answer points.
    share_missing : float
        Share of persons without an answer.
    item_rest_correlation, alpha_if_dropped : float or None
        From persons with every item answered.
    floor, ceiling : float or None
        Share of answers at the lowest and highest possible answer; None when the range is not given.
    """

    item: str
    n: int
    mean: float | None
    sd: float | None
    share_missing: float
    item_rest_correlation: float | None
    alpha_if_dropped: float | None
    floor: float | None
    ceiling: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Reliability of one scale.

    Attributes
    ----------
    n_rows, n_obs, n_items : int
        Rows of the data, persons with every item answered (the basis of alpha and omega), items.
    alpha, alpha_low, alpha_high : float or None
        Cronbach's alpha with Feldt's interval at ``ci_level``.
    alpha_standardised : float or None
        Alpha of the standardised items.
    omega_total : float or None
        McDonald's omega of a one-factor maximum likelihood model.
    ci_level : float
    items : tuple of ItemResult
    reasons : dict of str to str
        Why a number is None.
    checks : tuple of Check
    """

    n_rows: int
    n_obs: int
    n_items: int
    alpha: float | None
    alpha_low: float | None
    alpha_high: float | None
    alpha_standardised: float | None
    omega_total: float | None
    ci_level: float
    items: tuple[ItemResult, ...]
    reasons: dict[str, str]
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterAgreement:
    """Agreement within one cluster: ``rwgj`` between 0 and 1, ``n`` persons with every item answered."""

    cluster: str
    rwgj: float
    n: int
    rwgj_lindell: float
    average_deviation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Differences between and agreement within clusters.

    Attributes
    ----------
    n_obs, n_clusters : int
        Persons with a score and a cluster, and their clusters.
    mean_size : float or None
        Persons a cluster.
    icc1, icc2, eta_between : float or None
        See :mod:`implstats.scales.agreement`.
    f_statistic, f_p_value : float or None
    f_df1, f_df2 : int or None
        The F test of no difference between clusters.
    rwgj_mean, rwgj_median, rwgj_min, rwgj_max : float or None
        Over clusters of two or more persons.
    share_rwgj_70 : float or None
        Share of those clusters with rwg(j) of .70 or more.
    rwgj : tuple of ClusterAgreement
        In the order of the cluster's ids; clusters of one person are left out.
    reasons : dict of str to str
    checks : tuple of Check
    """

    n_obs: int
    n_clusters: int
    mean_size: float | None
    icc1: float | None
    icc2: float | None
    eta_between: float | None
    f_statistic: float | None
    f_df1: int | None
    f_df2: int | None
    f_p_value: float | None
    rwgj_mean: float | None
    rwgj_median: float | None
    rwgj_min: float | None
    rwgj_max: float | None
    share_rwgj_70: float | None
    rwgj: tuple[ClusterAgreement, ...]
    reasons: dict[str, str]
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleResult:
    """Reliability, items and, with a cluster, agreement of one scale.

    The attributes are those of :class:`Reliability` and :class:`Agreement`; ``n_obs`` is the number of
    persons with every item answered. Without a cluster the numbers of agreement are None.
    """

    n_rows: int
    n_obs: int
    n_items: int
    alpha: float | None
    alpha_low: float | None
    alpha_high: float | None
    alpha_standardised: float | None
    omega_total: float | None
    ci_level: float
    items: tuple[ItemResult, ...]
    n_clusters: int | None
    icc1: float | None
    icc2: float | None
    eta_between: float | None
    f_statistic: float | None
    f_df1: int | None
    f_df2: int | None
    f_p_value: float | None
    rwgj_mean: float | None
    rwgj_median: float | None
    rwgj_min: float | None
    rwgj_max: float | None
    share_rwgj_70: float | None
    rwgj: tuple[ClusterAgreement, ...]
    reasons: dict[str, str]
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Verdict:
        """``ok``, ``caution`` or ``failed``, from the checks."""
        return verdict_of(self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return plain types for JSON; ``rwgj`` is a list with cluster, rwgj and n."""
        return asdict(self)
