"""Modification indices: what chi-square would lose, about, if one more parameter were free.

At the estimate, with s_k the mean score of a parameter that the model lacks (or fixes) and I the
information of the model extended by it, both of :mod:`implstats.sem.after.scores`,

    V_k = I_kk - I_k. P I_.k,     MI_k = n s_k^2 / V_k,     EPC_k = s_k / V_k

P (q, q) is the inverse information of the model within its constraints; moments of fixed predictors count
among its parameters here, because a regression of a predictor makes it random. All candidates come from one
gradient and one information of the model with every candidate in it; nothing is fitted again. The expected
change is standardised as the parameter itself would be (sepc.lv, sepc.all; sepc.nox leaves predictors in
their units); of a variance it is the change in shares of the total variance, where lavaan 0.6-14 gives the
estimate with the sign of the change. A candidate with V_k = 0 would not be identified and is left out, as
in lavaan; so are residual variances of ordered items under delta, and their scales under theta, which
follow from the other parameters. Under robust estimators the indices are those of their criterion, normal
theory or least squares: a scaled version has no agreed form, and lavaan gives none. What has one is the
generalised score statistic n s_k^2 / c_k'J c_k with c_k = e_k - P I_.k and J of
:mod:`implstats.sem.after.score_variance`.
Sorbom (1989), Psychometrika 54; Saris, Satorra & Sorbom (1987), Sociological Methodology 17.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from implstats.errors import UsageError, did_you_mean
from implstats.results import Check, finite_or_none
from implstats.sem.after.candidates import candidate_rows
from implstats.sem.after.extended import Extended, extend, wider_tangent
from implstats.sem.after.proper_fit import corrected_criterion, proper_fit
from implstats.sem.after.score_variance import generalised_variance, needs_generalised, score_variance
from implstats.sem.after.scores import ScoreAt, score_and_variance, score_at
from implstats.sem.fitted import Estimated
from implstats.sem.language.rows import Row
from implstats.sem.model.standardise import standardised
from implstats.sem.options import Information, Options
from implstats.sem.results import SemResult

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
KINDS = ("=~", "~~", "~", "~1", "|", "~*~")
# Share of a parameter's information that the others leave: below it the parameter is not identified.
UNIDENTIFIED = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class ModificationIndex:
    """What freeing one parameter would do.

    Attributes
    ----------
    lhs, op, rhs, group_label : str
    group : int
        From 1.
    fixed : bool
        The model fixes it; else the model lacks it.
    mi, p_value : float
        Approximate drop of chi-square, one degree of freedom, and its p-value.
    mi_robust, p_robust : float or None
        The generalised score statistic and its p-value; ``None`` where it was not asked for.
    epc : float
        Expected change of the parameter, in the units of the data.
    sepc_lv, sepc_all, sepc_nox : float or None
        The same in standard deviations of the latent, of all variables, of all but predictors; ``None`` for
        the scale of an ordered item, which standardising fixes.
    """

    lhs: str
    op: str
    rhs: str
    group: int
    group_label: str
    fixed: bool
    mi: float
    p_value: float
    epc: float
    sepc_lv: float | None
    sepc_all: float | None
    sepc_nox: float | None
    mi_robust: float | None = None
    p_robust: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModificationIndices:
    """All indices asked for, the largest first.

    Attributes
    ----------
    rows : tuple of ModificationIndex
    information : {"expected", "observed"}
    n_unidentified : int
        Candidates left out because freeing one would leave the model unidentified.
    checks : tuple of Check
    """

    rows: tuple[ModificationIndex, ...]
    information: str
    n_unidentified: int
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a parameter."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows], columns=list(ModificationIndex.__slots__))


def modification_indices(
    result: SemResult,
    minimum: float | None = None,
    kinds: Sequence[str] | None = None,
    *,
    information: Information = "expected",
    robust: bool | None = None,
) -> ModificationIndices:
    """Return modification indices with expected parameter changes.

    Parameters
    ----------
    result : SemResult
        A fit by any estimator that did not fail.
    minimum : float, optional
        Leave out smaller indices.
    kinds : sequence of str, optional
        Operators to keep, of ``=~ ~~ ~ ~1 | ~*~``.
    information : {"expected", "observed"}
        lavaan takes the expected one, under full information too, where it needs answers missing completely
        at random; the observed one does not.
    robust : bool, optional
        Give generalised score statistics beside the indices, which allow for the distribution of the
        answers and for clusters; by default only for persons in clusters and two-stage estimation, whose
        indices are else too large.

    Raises
    ------
    UsageError
        Unknown kinds or information, a negative minimum, ``robust`` of a covariance matrix.
    ModelError
        The fit failed.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import sem
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=(300, 1)) + rng.normal(size=(300, 5))
    >>> x[:, 4] += x[:, 3]
    >>> frame = pd.DataFrame(x, columns=list("abcde"))
    >>> largest = modification_indices(sem.fit("f =~ a + b + c + d + e", frame, kind="cfa")).rows[0]
    >>> largest.lhs, largest.rhs
    ('d', 'e')
    """
    _check_call(minimum, kinds, information)
    estimated = proper_fit(result, what="Modification indices")
    wanted, options = set(kinds or KINDS), estimated.options
    add = [row for row in candidate_rows(estimated.table, options) if row.op in wanted]
    model = extend(estimated, free=lambda row: _freed(row, wanted, options), add=add)
    at = score_at(model.structures, estimated.sample, model.theta, information)
    q = estimated.table.n_free + model.n_exo
    tangent = wider_tangent(estimated, model.n_exo)
    score, V, within = score_and_variance(at.score, at.information, tangent=tangent)
    identified = UNIDENTIFIED * np.diag(at.information)[q:] < V
    epc = np.divide(score, V, out=np.zeros_like(V), where=identified)
    rows = _rows(estimated, model, at, epc, n_mi=estimated.sample.n * score * epc, keep=identified)
    if robust if robust is not None else needs_generalised(estimated.options):
        J = score_variance(estimated, model.structures, at)
        variance = generalised_variance(J, within)[identified]
        rows = _with_robust(rows, estimated.sample.n * score[identified] ** 2 / variance)
    rows = sorted((r for r in rows if minimum is None or r.mi >= minimum), key=lambda r: -r.mi)
    left_out = int((~identified).sum())
    return ModificationIndices(
        rows=tuple(rows),
        information=information,
        n_unidentified=left_out,
        checks=_checks(result, rows, left_out),
    )


def _freed(row: Row, wanted: set[str], options: Options) -> bool:
    """Whether a fixed row becomes free; moments of predictors do, unless the model holds given them."""
    if row.exo:
        return not options.ordered
    follows = row.lhs == row.rhs and row.lhs in options.ordered
    return row.op in wanted and not (
        follows and row.op == ("~~" if options.parameterization == "delta" else "~*~")
    )


def _check_call(minimum: float | None, kinds: Sequence[str] | None, information: str) -> None:
    for kind in kinds or ():
        if kind not in KINDS:
            raise UsageError(f"kinds: '{kind}' is not known. Choose from {' '.join(KINDS)}.")
    if minimum is not None and not minimum >= 0:
        raise UsageError(f"minimum should not be negative (got {minimum}).")
    if information not in get_args(Information):
        known = get_args(Information)
        raise UsageError(
            f"information '{information}' is not known{did_you_mean(information, known) or '.'} Choose "
            "expected or observed."
        )


def _with_robust(rows: list[ModificationIndex], statistic: Array) -> list[ModificationIndex]:
    return [
        replace(row, mi_robust=float(s), p_robust=float(chdtrc(1.0, s)))
        for row, s in zip(rows, statistic, strict=True)
    ]


def _rows(
    estimated: Estimated, model: Extended, at: ScoreAt, epc: Array, *, n_mi: Array, keep: NDArray[np.bool_]
) -> list[ModificationIndex]:
    q, table = estimated.table.n_free + model.n_exo, model.table
    change = [float(epc[row.free - q - 1]) if row.free > q else 0.0 for row in table.rows]
    n_fixed = len(model.new) - model.n_exo - len(model.table.rows) + len(estimated.table.rows)
    x = table.names.x
    lv = _standardised(model, at, change, observed=False)
    every = _standardised(model, at, change, observed=True)
    nox = _standardised(model, at, change, observed=True, without=x) if x else every
    return [
        ModificationIndex(
            lhs=row.lhs, op=row.op, rhs=row.rhs, group=row.group, group_label=table.groups[row.group - 1],
            fixed=k < n_fixed, mi=float(n_mi[k]), p_value=float(chdtrc(1.0, n_mi[k])), epc=float(epc[k]),
            sepc_lv=lv[row.free], sepc_all=every[row.free], sepc_nox=nox[row.free],
        )
        for k, row in enumerate(model.new[model.n_exo :])
        if keep[k]
    ]  # fmt: skip


def _standardised(
    model: Extended, at: ScoreAt, change: list[float], *, observed: bool, without: Sequence[str] = ()
) -> dict[int, float | None]:
    """The changes in standard deviations, by the number of the parameter."""
    table = replace(model.table, definitions=())
    values = standardised(
        table, model.structures, model.theta, at.moments, change, observed=observed, without=without
    )
    return {
        row.free: None if row.op == "~*~" else finite_or_none(value)
        for row, value in zip(table.rows, values, strict=True)
        if row.free
    }


def _checks(result: SemResult, rows: Sequence[ModificationIndex], left_out: int) -> tuple[Check, ...]:
    checks = [
        Check(
            name="modification", status="info",
            message="Freeing parameters after a look at the data makes fit too good and p-values too small: "
            "free what theory knows, and test the new model on other persons.",
        )
    ]  # fmt: skip
    if left_out:
        checks.append(Check(
            name="unidentified", status="info",
            message=f"{left_out} candidate(s) left out: the model would not be identified with one of "
            "them free.",
        ))  # fmt: skip
    if any(row.mi_robust is not None for row in rows):
        checks.append(Check(
            name="robust", status="info",
            message="mi takes persons as the criterion does; mi_robust allows for the distribution of their "
            "answers, clusters and a first stage (generalised score statistic). Judge by mi_robust.",
        ))  # fmt: skip
    elif criterion := corrected_criterion(result):
        checks.append(Check(
            name="robust", status="info",
            message=f"The indices are those of {criterion}, also under {result.estimator}: scaled ones have "
            "no agreed form, and lavaan gives none. robust=True adds generalised score statistics.",
        ))  # fmt: skip
    return tuple(checks)
