"""Two-level structural equation models of complete continuous answers, by maximum likelihood.

One model within clusters (``level: 1``) and one between them (``level: 2``), the same observed variables
in both, with random intercepts. A label used at both levels makes the parameter equal there. Means belong to
level 2.
Chi-square compares with saturated matrices at both levels, the between one positive semidefinite (as a
covariance matrix must be; lavaan, too, keeps it so); where the free maximum lies outside, that is said.
lavaan reaches this boundary by EM steps and may stop a little before it. Standard errors: exact
(observed) information.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from implstats.errors import DataError, ModelError, NotSupportedError, UsageError
from implstats.results import Check, Verdict, finite_or_none, verdict_of
from implstats.sem.data.clusters import read_clusters
from implstats.sem.data.sample import named_list, read_columns, take_sample
from implstats.sem.data.two_level import TwoLevelSample, two_level_statistics
from implstats.sem.estimators.ml import Curvature, Evaluation, SampleMoments
from implstats.sem.estimators.optimise import Optimum, minimise
from implstats.sem.estimators.two_level import Levels, between_slope, evaluate_two_level
from implstats.sem.fit_indices.chi_square import upper_tail
from implstats.sem.fit_indices.incremental import incremental
from implstats.sem.fit_indices.record import Index
from implstats.sem.fit_indices.rmsea import rmsea
from implstats.sem.inference.wald import wald
from implstats.sem.language.syntax import ModelText, parse_model
from implstats.sem.language.table import ParameterTable, build_table
from implstats.sem.model.matrices import Structure, build_structure
from implstats.sem.model.moments import Moments, implied_moments
from implstats.sem.model.standardise import explained_variance, row_values, standardised
from implstats.sem.model.starts import start_values
from implstats.sem.options import check_options
from implstats.sem.results import Parameter

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
LEVELS = ("level: 1", "level: 2")
# Correlation-scale eigenvalue below which a between matrix counts as indefinite rather than as rounding.
INDEFINITE = -1e-8
# A slope below this, per person and in units of the within variance, is the rounding of a flat direction.
SLOPE_LEFT = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoLevelResult:
    """A two-level fit.

    Attributes
    ----------
    verdict : {"good", "caution", "failed"}
    n_obs, n_clusters : int
    parameters : tuple of Parameter
        With ``level`` 1 or 2; standardised within each level.
    fit : dict
        lavaan's names, with ``srmr_within`` and ``srmr_between``.
    icc : dict
        Share of each item's variance that lies between clusters, from the saturated matrices.
    r2 : tuple of dict
        Explained variance within and between.
    covariance : ndarray, shape (q, q)
    implied, saturated : tuple of ndarray
        Within and between covariance matrices of model and saturated model.
    checks : tuple of Check
    """

    verdict: Verdict
    n_obs: int
    n_clusters: int
    parameters: tuple[Parameter, ...]
    fit: Index
    icc: dict[str, float | None]
    r2: tuple[dict[str, float | None], ...]
    covariance: Array
    implied: tuple[Array, Array]
    saturated: tuple[Array, Array]
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """The parameters, one a row."""
        import pandas as pd

        return pd.DataFrame([p.to_dict() for p in self.parameters])


def fit_two_level(
    model: str,
    data: pd.DataFrame,
    *,
    cluster: str,
    kind: str = "sem",
    std_lv: bool = False,
    ci_level: float = 0.95,
) -> TwoLevelResult:
    """Fit a model with ``level: 1`` and ``level: 2`` blocks.

    Parameters
    ----------
    model : str
        Both blocks, each with the same observed variables, none of them a mere predictor.
    data : DataFrame
        One row a person; rows with a missing answer or cluster are left out.
    cluster : str
        Column that tells clusters apart.

    Raises
    ------
    UsageError, DataError, ModelError, NotSupportedError
        The text, the data, too few clusters for the between part, or what this version does not fit.

    References
    ----------
    McDonald, R. P., & Goldstein, H. (1989). Br. J. Math. Stat. Psychol. 42.
    Muthen, B. (1994). Sociol. Methods Res. 22.
    """
    tables = _tables(model, kind=kind, std_lv=std_lv, ci_level=ci_level)
    levels = _levels(tables)
    sample, checks = _sample(data, tables[1], cluster)
    free_between = len(np.unique(levels.places[1]))
    if free_between > sample.n_clusters:
        raise ModelError(
            f"{sample.n_clusters} clusters cannot bear {free_between} free parameters at level 2: there are "
            "fewer clusters than parameters. Fit one level with cluster=, whose standard errors allow for "
            "the clusters, or the within part by itself with the clusters as 0/1 predictors (fixed effects)."
        )
    names = tables[1].names.observed
    optimum = _optimum(levels, sample, _start(tables, levels, sample))
    if optimum is None:
        raise ModelError(
            "The two-level model reached no proper optimum; simplify level 2 or give start() values."
        )
    saturated, h1, boundary = _saturated(names, sample)
    if boundary:
        checks.append(Check(
            name="between_boundary", status="info",
            message="The free saturated matrix between clusters is not a covariance matrix; chi-square "
                    "compares with the best positive semidefinite one. lavaan's stops near the same place.",
        ))  # fmt: skip
    return _result(tables, levels, sample, optimum, saturated, h1, checks, ci_level=ci_level)


def _tables(model: str, *, kind: str, std_lv: bool, ci_level: float) -> tuple[ParameterTable, ParameterTable]:
    text = parse_model(model)
    if sorted(text.blocks) != list(LEVELS) or any(t.block not in LEVELS for t in text.terms):
        raise UsageError(
            "A two-level model has one block 'level: 1' and one 'level: 2', and no line before them."
        )
    if text.expressions:
        raise NotSupportedError(
            "Definitions and constraints are not done in two-level models; use shared labels."
        )
    tables = []
    for block, means in zip(LEVELS, (False, True), strict=True):
        options = check_options(
            kind=kind, estimator="ML", missing="listwise", group=None, group_equal=(), cluster=None,
            ordered=(), parameterization="delta", orthogonal=False, std_lv=std_lv, meanstructure=means,
            ci_level=ci_level,
        )  # fmt: skip
        terms = tuple(replace(t, block="") for t in text.terms if t.block == block)
        tables.append(build_table(ModelText(terms, (), ()), options))
    first, second = (set(t.names.observed) for t in tables)
    if first != second:
        raise NotSupportedError(
            "Variables of one level only are not done by this version: "
            f"{named_list(sorted(first ^ second))}. "
            "Name each observed variable at both levels (a saturated part will do), or use a mixed model."
        )
    x = sorted({*tables[0].names.x, *tables[1].names.x})
    if x:
        raise NotSupportedError(
            f"Observed predictors are not done in two-level models: {named_list(x)}. "
            "Use a mixed model of scores."
        )
    return tables[0], tables[1]


def _levels(tables: tuple[ParameterTable, ParameterTable]) -> Levels:
    """Number the free parameters of both levels; one label is one parameter."""
    labels: dict[str, int] = {}
    places, q = [], 0
    for table in tables:
        mine = np.zeros(table.n_free, dtype=np.intp)
        done: set[int] = set()
        for row in table.rows:
            if not row.free or row.free in done:
                continue
            done.add(row.free)
            if row.label and row.label in labels:
                mine[row.free - 1] = labels[row.label]
                continue
            mine[row.free - 1] = q
            if row.label:
                labels[row.label] = q
            q += 1
        places.append(mine)
    within, between = _same_order(tables)
    return Levels(within=within, between=between, places=(places[0], places[1]), q=q)


def _same_order(tables: tuple[ParameterTable, ParameterTable]) -> tuple[Structure, Structure]:
    first, second = tables[0].names.observed, tables[1].names.observed
    if first != second:
        raise NotSupportedError("Name the observed variables in the same order at both levels.")
    return build_structure(tables[0]), build_structure(tables[1])


def _sample(data: pd.DataFrame, table: ParameterTable, cluster: str) -> tuple[TwoLevelSample, list[Check]]:
    if not hasattr(data, "columns"):
        raise UsageError(f"The data should be a pandas DataFrame; this is a {type(data).__name__}.")
    values = read_columns(data, table.names.observed, table.names.latent)
    codes = read_clusters(data, cluster)
    used = ~np.isnan(values).any(axis=1) & ~np.isnan(codes)
    take_sample(values[used], table.names.observed, ())  # names constant and dependent variables
    kept = codes[used].astype(np.intp)
    n_clusters = len(np.unique(kept))
    p = values.shape[1]
    if n_clusters < 2 or used.sum() - n_clusters <= p:
        raise DataError(
            f"{used.sum()} persons in {n_clusters} cluster(s) of '{cluster}': a two-level model needs "
            f"at least two clusters and more than {p} persons beyond one a cluster."
        )
    sample = two_level_statistics(values[used], kept)
    lost = int((~used).sum())
    left = f" {lost} row(s) without an answer or a cluster were left out." if lost else ""
    checks = [Check(
        name="clusters", status="warn" if n_clusters < 50 else "info",
        message=f"{sample.n} persons in {n_clusters} clusters of {sample.sizes.min():.0f} to "
                f"{sample.sizes.max():.0f}.{left}" + (
                    " Fewer than 50 clusters: standard errors between clusters tend to be too small "
                    "(Maas & Hox 2005)." if n_clusters < 50 else ""),
    )]  # fmt: skip
    return sample, checks


def _start(tables: tuple[ParameterTable, ParameterTable], levels: Levels, sample: TwoLevelSample) -> Array:
    theta = np.zeros(levels.q)
    parts = ((tables[1], levels.between, sample.between, 1), (tables[0], levels.within, sample.within, 0))
    for table, structure, cov, k in parts:
        moments = SampleMoments(
            cov=cov, mean=sample.mean, n=sample.n, log_det=float(np.linalg.slogdet(cov)[1])
        )
        found = next(iter(start_values(table, (structure,), [moments])), None)
        if found is None:
            raise ModelError(
                f"No start values give a proper covariance matrix at level {k + 1}; give start()."
            )
        theta[levels.places[k]] = found
    return theta


def _optimum(levels: Levels, sample: TwoLevelSample, theta: Array, *, steps: int = 200) -> Optimum | None:
    def criterion(at: Array, curvature: Curvature) -> Evaluation:
        return evaluate_two_level(levels, sample, at, curvature)

    found = minimise(criterion, theta, max_iterations=steps)
    # A decrement this small moves chi-square by less than 1e-6 of a unit at any usual sample size.
    return found if found.decrement * sample.n < 1e-6 else None


def _matrices_model(names: tuple[str, ...], *, between: str, rank: int = 0) -> Levels:
    """Saturated or diagonal matrices at both levels as a model; "factor" has Sigma_b = L L', L (p, rank)."""
    free = [f"{a} ~~ {b}" for i, a in enumerate(names) for b in names[: i + 1]]
    level1 = free if between != "diagonal" else [f"{a} ~~ {a}" for a in names]
    level2 = level1
    if between == "factor":
        level2 = [f"L{j} =~ " + " + ".join(f"NA*{n}" for n in names[j:]) for j in range(rank)]
        level2 += [f"L{j} ~~ 1*L{j}" for j in range(rank)] + [f"{n} ~~ 0*{n}" for n in names]
    level2 = [*level2, *(f"{n} ~ 1" for n in names)]
    text = "level: 1\n" + "\n".join(level1) + "\nlevel: 2\n" + "\n".join(level2)
    return _levels(_tables(text, kind="lavaan", std_lv=False, ci_level=0.95))


def _matrices_start(levels: Levels, sample: TwoLevelSample, *, rank: int = 0) -> Array:
    theta = np.zeros(levels.q)
    roots, vectors = np.linalg.eigh(sample.between)
    leading = (vectors * np.sqrt(roots))[:, ::-1][:, :rank]
    # Rotated so that the factor is lower trapezoidal, as its rotation is not identified.
    factor = leading @ np.linalg.qr(leading[:rank].T)[0] if rank else leading
    for k, (structure, cov) in enumerate(((levels.within, sample.within), (levels.between, sample.between))):
        for matrix, source in (("theta", cov), ("psi", cov), ("loading", factor)):
            cells = structure.cells[matrix]
            theta[levels.places[k][cells.free]] = source[cells.row, cells.col]
    for matrix in ("nu", "alpha"):
        cells = levels.between.cells[matrix]
        theta[levels.places[1][cells.free]] = sample.mean[cells.row]
    return theta


def _moments(levels: Levels, theta: Array) -> tuple[Moments, Moments]:
    return (
        implied_moments(levels.within, theta[levels.places[0]]),
        implied_moments(levels.between, theta[levels.places[1]]),
    )


def _saturated(names: tuple[str, ...], sample: TwoLevelSample) -> tuple[tuple[Moments, Moments], float, bool]:
    """Return the saturated moments, F there, and whether Sigma_b lies on the boundary."""
    levels = _matrices_model(names, between="free")
    likely = len(names) - 1
    found = _optimum(levels, sample, _matrices_start(levels, sample), steps=60)
    if found is not None:
        moments = _moments(levels, found.theta)
        likely = min(max(int((np.linalg.eigvalsh(moments[1].cov) > 0).sum()), 1), likely)
        sd = np.sqrt(np.maximum(np.diag(moments[1].cov), 1e-300))
        if (
            np.diag(moments[1].cov).min() > 0
            and np.linalg.eigvalsh(moments[1].cov / np.outer(sd, sd))[0] > INDEFINITE
        ):
            return moments, found.evaluation.value, False
    for rank in sorted(range(1, len(names)), key=lambda r: (abs(r - likely), -r)):
        levels = _matrices_model(names, between="factor", rank=rank)
        found = _optimum(levels, sample, _matrices_start(levels, sample, rank=rank), steps=60)
        if found is not None and _is_boundary_maximum(moments := _moments(levels, found.theta), sample):
            return moments, found.evaluation.value, True
    raise ModelError("The saturated two-level model reached no optimum; use cluster= with one level.")


def _is_boundary_maximum(moments: tuple[Moments, Moments], sample: TwoLevelSample) -> bool:
    """Whether no admissible change of Sigma_b improves F: its slope there is positive semidefinite."""
    slope = between_slope(sample, moments[0].cov, moments[1].cov, moments[1].mean)
    sd = np.sqrt(np.diag(moments[0].cov))
    return bool(np.linalg.eigvalsh(slope * np.outer(sd, sd))[0] > -SLOPE_LEFT)


def _srmr(saturated: Array, implied: Array) -> float | None:
    """Root mean square difference of correlations; None where a variance is not positive."""
    if min(np.diag(saturated).min(), np.diag(implied).min()) <= 0:
        return None
    sd, own = np.sqrt(np.diag(saturated)), np.sqrt(np.diag(implied))
    gap = saturated / np.outer(sd, sd) - implied / np.outer(own, own)
    i, j = np.tril_indices(len(sd))
    return float(np.sqrt((gap[i, j] ** 2).mean()))


def _indices(sample: TwoLevelSample, value: float, h1: float, names: tuple[str, ...], q: int) -> Index:
    base = _matrices_model(names, between="diagonal")
    lowest = _optimum(base, sample, _matrices_start(base, sample))
    n, p = sample.n, len(names)
    df = p * (p + 1) + p - q
    chisq = n * (value - h1) if df else 0.0
    out: Index = {"npar": q, "chisq": chisq, "df": df, "pvalue": upper_tail(chisq, df), "ntotal": n}
    if lowest is not None:
        chisq0, df0 = n * (lowest.evaluation.value - h1), p * (p - 1)
        out |= {"baseline.chisq": chisq0, "baseline.df": df0, **incremental(chisq, df, chisq0, df0)}
    logl = -0.5 * n * (value + p * np.log(2 * np.pi))
    out |= {
        "logl": logl, "unrestricted.logl": logl + 0.5 * chisq, "aic": -2 * logl + 2 * q,
        "bic": -2 * logl + q * np.log(n), **rmsea(chisq, df, n),
    }  # fmt: skip
    return out


def _result(
    tables: tuple[ParameterTable, ParameterTable],
    levels: Levels,
    sample: TwoLevelSample,
    optimum: Optimum,
    saturated: tuple[Moments, Moments],
    h1: float,
    checks: list[Check],
    *,
    ci_level: float,
) -> TwoLevelResult:
    names = tables[1].names.observed
    moments = _moments(levels, optimum.theta)
    if optimum.evaluation.information is None:
        raise AssertionError("an optimum has derivatives")
    covariance: Array = np.linalg.inv(optimum.evaluation.information) / sample.n
    fit = _indices(sample, optimum.evaluation.value, h1, names, levels.q)
    fit["srmr_within"] = _srmr(saturated[0].cov, moments[0].cov)
    fit["srmr_between"] = _srmr(saturated[1].cov, moments[1].cov)
    rows: list[Parameter] = []
    explained = []
    for k, (table, structure) in enumerate(zip(tables, (levels.within, levels.between), strict=True)):
        theta = optimum.theta[levels.places[k]]
        values = row_values(table, (structure,), theta)
        lv = standardised(table, (structure,), theta, moments[k : k + 1], values, observed=False)
        every = standardised(table, (structure,), theta, moments[k : k + 1], values, observed=True)
        variance = np.diag(covariance)[levels.places[k]]
        for row, value, one, two in zip(table.rows, values, lv, every, strict=True):
            w = wald(value, float(variance[row.free - 1]) if row.free else None, ci_level=ci_level)
            rows.append(Parameter(
                lhs=row.lhs, op=row.op, rhs=row.rhs, level=k + 1, label=row.label, free=bool(row.free),
                estimate=w.estimate, std_error=w.std_error, statistic=w.statistic, p_value=w.p_value,
                conf_low=w.conf_low, conf_high=w.conf_high, std_lv=finite_or_none(one),
                std_all=finite_or_none(two),
            ))  # fmt: skip
        explained.append(
            {v: finite_or_none(r) for v, r in explained_variance(structure, theta, moments[k]).items()}
        )
    negative = [
        f"{r.lhs} (level {r.level})"
        for r in rows
        if r.op == "~~" and r.lhs == r.rhs and (r.estimate or 0) < 0
    ]
    if negative:
        checks.append(Check(
            name="admissible", status="warn",
            message=f"Negative variance of {named_list(negative)}: too little varies there. Fix it at zero "
                    "with '0*', or simplify that level.",
        ))  # fmt: skip
    inner, outer = np.diag(saturated[0].cov), np.diag(saturated[1].cov)
    return TwoLevelResult(
        verdict=verdict_of(checks), n_obs=sample.n, n_clusters=sample.n_clusters,
        parameters=tuple(rows), fit=fit,
        icc={v: finite_or_none(s) for v, s in zip(names, outer / (inner + outer), strict=True)},
        r2=tuple(explained),
        covariance=covariance, implied=(moments[0].cov, moments[1].cov),
        saturated=(saturated[0].cov, saturated[1].cov), checks=tuple(checks),
    )  # fmt: skip
