"""F tests of the fixed part's terms, and t and F tests of any contrasts of the coefficients.

Orchestration and records; `hypotheses` says what is tested, `tester` by which method, `f_tests` how.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import fdtrc, stdtr, stdtrit

from implstats.errors import UsageError, did_you_mean
from implstats.mixed.inference.contrast_matrix import read_contrasts, read_null
from implstats.mixed.inference.hypotheses import Type, empty_cells, term_hypotheses
from implstats.mixed.inference.tester import Tester, independent_rows, make_tester
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd

    from implstats.mixed.inference.generalised_contrasts import WaldContrasts

TYPES = ("I", "II", "III")


@dataclass(frozen=True, slots=True, kw_only=True)
class FTest:
    """An F test of one or more contrasts.

    Attributes
    ----------
    term : str
    df_num : int
        Rank of the hypothesis.
    df_den : float or None
    df_method : str
        ``kenward-roger``, ``satterthwaite``, ``between-within`` or ``CR2 hotelling`` (CR0, CR1, CR3).
    statistic : float or None
        F, scaled; compared with F(df_num, df_den).
    scale : float or None
        Factor on the Wald statistic over df_num that is contained in F: Kenward and Roger's lambda,
        Hotelling's (eta - q + 1) / eta; else 1.
    p_value : float or None
    reason : str
        Why there is no test, or what was left out of it; empty otherwise.
    hypothesis : ndarray, (k, p)
        L, of the model's coefficients.
    """

    term: str
    df_num: int
    df_den: float | None
    df_method: str
    statistic: float | None
    scale: float | None
    p_value: float | None
    reason: str
    hypothesis: np.ndarray = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FTests:
    """F tests by term: ``type``, ``tests`` in the order of the terms, ``checks``."""

    type: Type
    tests: tuple[FTest, ...]
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """Return one row a term."""
        return _frame(self.tests, leave=("hypothesis",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One contrast's t test.

    Attributes
    ----------
    name : str
    estimate, std_error : float or None
        Of l'b, in units of the outcome a unit of the contrast.
    null : float
        Value under the hypothesis.
    df, statistic, p_value : float or None
        t = (estimate - null) / std_error.
    df_method : str
    conf_low, conf_high : float or None
        For l'b.
    """

    name: str
    estimate: float
    std_error: float | None
    null: float
    df: float | None
    df_method: str
    statistic: float | None
    p_value: float | None
    conf_low: float | None
    conf_high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrasts:
    """Contrasts: ``rows``, the test of all together ``joint``, ``ci_level`` and ``checks``."""

    rows: tuple[Contrast, ...]
    joint: FTest
    ci_level: float
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """Return one row a contrast."""
        return _frame(self.rows)


def f_tests(result: MixedResult, *, type: Type = "III", df: str = "auto") -> FTests:
    """Test each term of the fixed part.

    Parameters
    ----------
    result : MixedResult
    type : {"III", "II", "I"}
        I: each term after those before it. II: each after all that do not contain it. III: equal weights
        over the categories of the other factors. Whatever the coding, as `lmerTest::anova` defines them.
    df : {"auto", "kenward-roger", "satterthwaite"}
        ``auto``: as the fit. A cluster-robust fit has its own (approximate Hotelling T^2).

    Returns
    -------
    FTests

    Raises
    ------
    UsageError, ModelError
        An unknown option, a method that the fit does not have, a failed fit.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward, wave = np.repeat(np.arange(12), 9), np.tile(np.repeat(["a", "b", "c"], 3), 12)
    >>> y = rng.normal(size=12)[ward] + rng.normal(size=108)
    >>> fitted = mixed.fit("y ~ wave + (1 | ward)", pd.DataFrame({"y": y, "ward": ward, "wave": wave}))
    >>> test = mixed.f_tests(fitted).tests[0]
    >>> test.term, test.df_num, round(test.df_den, 6)
    ('wave', 2, 94.0)
    """
    if type not in TYPES:
        raise UsageError(f"type is one of {', '.join(TYPES)}; got '{type}'{did_you_mean(str(type), TYPES)}")
    tester = make_tester(result, df=df, what="f_tests")
    fitted = tester.fitted
    hypotheses = term_hypotheses(fitted.design, fitted.scaled, type=type, quoted=fitted.formula.quoted)
    tests = tuple(_f_test(tester, term, L, np.zeros(len(L)), names=None) for term, L in hypotheses.items())
    return FTests(
        type=type, tests=tests, checks=(tester.check, *_cells_check(type, empty_cells(fitted.design)))
    )


def _cells_check(type: Type, empty: list[str]) -> tuple[Check, ...]:
    if type != "III" or not empty:
        return ()
    message = (
        f"{', '.join(empty)} has combinations of categories without a row. Type III hypotheses then average "
        "over what is left and may mean little; prefer contrasts of the cells that you have."
    )
    return (Check(name="empty_cells", status="warn", message=message),)


def contrast(
    result: MixedResult, L: np.ndarray | Sequence[object] | Mapping[str, Mapping[str, float]], *,
    names: Sequence[str] | None = None, rhs: Sequence[float] | float | None = None, df: str = "auto",
    ci_level: float | None = None,
) -> Contrasts | WaldContrasts:  # fmt: skip
    """Test contrasts of the coefficients, each alone and all together.

    Parameters
    ----------
    result : MixedResult
    L : array, (k, p) or (p,), or mapping
        Weights of the coefficients in the order of ``result.terms``; or, by the contrast's name, weights by
        the coefficient's name: ``{"b - c": {"waveb": 1, "wavec": -1}}``.
    names : sequence of str, (k,), optional
    rhs : float or sequence of float, (k,), optional
        Values under the hypothesis; zero unless given.
    df : {"auto", "kenward-roger", "satterthwaite"}
    ci_level : float, optional
        That of the fit unless given.

    Returns
    -------
    Contrasts
        Where rows are linear combinations of others, ``joint`` tests the others and its ``reason`` says so.
        WaldContrasts of a generalised or ordinal fit: z tests, and ``joint`` is a chi-square.

    Raises
    ------
    UsageError, ProblemsError, ModelError
        A shape or name that does not fit, rows that contradict each other, a failed fit.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward, wave = np.repeat(np.arange(12), 9), np.tile(np.repeat(["a", "b", "c"], 3), 12)
    >>> y = rng.normal(size=12)[ward] + rng.normal(size=108)
    >>> fitted = mixed.fit("y ~ wave + (1 | ward)", pd.DataFrame({"y": y, "ward": ward, "wave": wave}))
    >>> found = mixed.contrast(fitted, {"c - b": {"wavec": 1, "waveb": -1}})
    >>> found.rows[0].name, round(found.rows[0].df, 6), found.joint.df_num
    ('c - b', 94.0, 1)
    """
    if result.family != "gaussian":
        from implstats.mixed.inference.generalised_contrasts import contrast_generalised

        return contrast_generalised(result, L, names=names, rhs=rhs, df=df, ci_level=ci_level)
    tester = make_tester(result, df=df)
    matrix, labels = read_contrasts(L, names, result.terms)
    null = read_null(rhs, len(labels))
    level = result.ci_level if ci_level is None else ci_level
    if isinstance(level, bool) or not 0.0 < level < 1.0:
        raise UsageError(f"ci_level lies between 0 and 1, such as 0.95; got {level}.")
    joint = _f_test(tester, "all contrasts", matrix, null, names=labels)
    return Contrasts(
        rows=_t_rows(tester, matrix, labels, null, level), joint=joint, ci_level=level, checks=(tester.check,)
    )


def _t_rows(
    tester: Tester, L: np.ndarray, names: Sequence[str], null: np.ndarray, ci_level: float
) -> tuple[Contrast, ...]:
    method = f"{tester.method} satterthwaite" if tester.scores is not None else tester.method
    out = []
    for name, value, se, df, zero in zip(names, *tester.rows(L), null, strict=True):
        t = float((value - zero) / se) if se > 0 else None
        usable = t is not None and bool(np.isfinite(df) and df > 0)
        half = float(stdtrit(df, 0.5 + 0.5 * ci_level) * se) if usable else None
        out.append(
            Contrast(
                name=name, estimate=float(value), std_error=float(se) if np.isfinite(se) else None,
                null=float(zero), df=float(df) if usable else None, df_method=method, statistic=t,
                p_value=None if t is None or not usable else float(2.0 * stdtr(df, -abs(t))),
                conf_low=None if half is None else float(value) - half,
                conf_high=None if half is None else float(value) + half,
            )
        )  # fmt: skip
    return tuple(out)


def _f_test(
    tester: Tester, term: str, L: np.ndarray, rhs: np.ndarray, *, names: Sequence[str] | None
) -> FTest:
    method = f"{tester.method} hotelling" if tester.scores is not None else tester.method
    if len(L) == 0:
        return FTest(
            term=term, df_num=0, df_den=None, df_method=method, statistic=None, scale=None, p_value=None,
            reason="all its columns are linear combinations of those before it", hypothesis=L,
        )  # fmt: skip
    kept = independent_rows(L, tester.covariance)
    check_consistent(L, rhs, kept)
    found = tester.joint(L, rhs, kept)
    reason = ""
    if len(kept) < len(L):
        gone = [names[k] if names else f"row {k + 1}" for k in range(len(L)) if k not in kept]
        reason = f"linear combinations of the other rows, left out: {', '.join(gone)}"
    known = bool(np.isfinite(found.value))
    usable = known and bool(np.isfinite(found.df) and found.df > 0)
    if not known:
        reason = "one cluster alone determines a part of it, so no cluster-robust covariance exists"
    elif not usable:
        reason = "too few clusters for this many contrasts: no denominator degrees of freedom are left"
    return FTest(
        term=term, df_num=len(kept), df_den=found.df if usable else None, df_method=method,
        statistic=found.value if usable else None, scale=found.scale if usable else None,
        p_value=float(fdtrc(len(kept), found.df, found.value)) if usable else None, reason=reason,
        hypothesis=L,
    )  # fmt: skip


def check_consistent(L: np.ndarray, rhs: np.ndarray, kept: list[int]) -> None:
    """Refuse dependent rows of L whose rhs contradict each other."""
    if len(kept) == len(L):
        return
    weights = L @ np.linalg.pinv(L[kept])
    off = np.abs(weights @ rhs[kept] - rhs)
    if np.any(off > 1e-8 * max(1.0, float(np.abs(rhs).max()))):
        raise UsageError(
            f"Row {int(np.argmax(off)) + 1} of L is a linear combination of other rows, but its rhs is not "
            "the same combination of theirs: no coefficients can fulfil both. Correct rhs or drop the row."
        )


def _frame(records: Sequence[FTest] | Sequence[Contrast], *, leave: tuple[str, ...] = ()) -> pd.DataFrame:
    import pandas as pd

    rows = [{k: v for k, v in asdict(record).items() if k not in leave} for record in records]
    return pd.DataFrame(rows)
