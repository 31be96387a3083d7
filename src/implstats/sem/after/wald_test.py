"""Wald test of several hypotheses about a fitted model's parameters at once.

    W = c' (C V C')^-1 c,   chi-square with rank(C) degrees of freedom

with c (m,) the left minus the right sides at the estimate, C (m, q) their exact Jacobian and V (q, q) the
covariance matrix of the estimates, robust under robust estimators. Wald (1943), Transactions of the AMS 54.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from implstats.errors import ModelError, UsageError
from implstats.results import Check
from implstats.sem.after.proper_fit import proper_fit
from implstats.sem.estimators.constraints import Constraints
from implstats.sem.fitted import Estimated
from implstats.sem.language.constraints import Constraint, read_constraints
from implstats.sem.language.syntax import ModelTextError, parse_model
from implstats.sem.model.standardise import row_values
from implstats.sem.results import SemResult

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
# Eigenvalues of C V C', scaled to a unit diagonal, below this: the hypotheses depend on each other.
DEPENDENT = 1e-10
# Variances of hypotheses below this share of what independent estimates would give are rounding.
FIXED = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class WaldTest:
    """A joint test.

    Attributes
    ----------
    hypotheses : tuple of str
    departures : tuple of float
        Left minus right side of each at the estimate.
    statistic, p_value : float
    df : int
    checks : tuple of Check
    """

    hypotheses: tuple[str, ...]
    departures: tuple[float, ...]
    statistic: float
    df: int
    p_value: float
    checks: tuple[Check, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """One row: the joint test."""
        import pandas as pd

        row = {"hypotheses": "; ".join(self.hypotheses), "statistic": self.statistic, "df": self.df}
        return pd.DataFrame([{**row, "p_value": self.p_value}])


def wald_test(result: SemResult, hypotheses: str) -> WaldTest:
    """Return the joint test of hypotheses such as ``"a == b; c == 0"``.

    Parameters
    ----------
    result : SemResult
        A fit by any estimator that did not fail.
    hypotheses : str
        Equalities of labels, definitions and numbers, one a line or separated by ``;``.

    Raises
    ------
    UsageError
        Anything but equalities; unknown labels, with the closest known ones.
    ModelError
        The fit failed, or the hypotheses depend on each other or hold by the model's own constraints.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import sem
    >>> x = np.random.default_rng(3).normal(size=(200, 3))
    >>> frame = pd.DataFrame({"y": x.sum(axis=1), "a": x[:, 0], "b": x[:, 1]})
    >>> wald_test(sem.fit("y ~ k*a + m*b", frame), "k == m; k == 1").df
    2
    """
    estimated = proper_fit(result, what="A Wald test")
    if result.covariance is None:
        raise AssertionError("a proper fit has a covariance matrix")
    asked = _read(estimated, hypotheses)
    values = row_values(estimated.table, estimated.structures, estimated.optimum.theta)
    pairs = zip(estimated.table.rows, values, strict=True)
    known = Constraints(table=estimated.table, exo={r.label: v for r, v in pairs if r.exo and r.label})
    c, C = known.evaluate(asked, estimated.optimum.theta)
    V = C @ result.covariance @ C.T
    without = np.diag(V) <= FIXED * (C**2) @ np.diag(result.covariance)
    statistic = None if without.any() else joint_statistic(c, V)
    if statistic is None:
        raise ModelError(
            "A Wald test: the hypotheses depend on each other, hold by the model's own constraints, or have "
            "no value at the estimate. Leave one out."
        )
    return WaldTest(
        hypotheses=tuple(h.text for h in asked),
        departures=tuple(float(x) for x in c),
        statistic=statistic,
        df=len(c),
        p_value=float(chdtrc(len(c), statistic)),
    )


def joint_statistic(c: Array, covariance: Array) -> float | None:
    """Return c' V^-1 c, ``None`` where V, shape (m, m), is not of full rank or not finite.

    >>> joint_statistic(np.array([2.0]), np.array([[4.0]]))
    1.0
    """
    if not (np.all(np.isfinite(c)) and np.all(np.isfinite(covariance))):
        return None
    sd = np.sqrt(np.diag(covariance))
    if not np.all(sd > 0):
        return None
    correlation = covariance / np.outer(sd, sd)
    if np.linalg.eigvalsh(correlation)[0] < DEPENDENT:
        return None
    z = c / sd
    return float(z @ np.linalg.solve(correlation, z))


def _read(estimated: Estimated, hypotheses: str) -> list[Constraint]:
    text = parse_model(hypotheses, needs_terms=False)
    wrong = [f"'{term.lhs} {term.op} {term.rhs}' is part of a model" for term in text.terms]
    wrong += [f"'{e.lhs} {e.op} {e.rhs}' is no equality" for e in text.expressions if e.op != "=="]
    if wrong:
        raise UsageError(
            f"A Wald test takes equalities such as 'a == b; c == 0'; {'; '.join(wrong)}. Label parameters in "
            "the model and fit it again where labels are missing."
        )
    problems: list[str] = []
    table = estimated.table
    asked = read_constraints(text.expressions, table.rows, table.definitions, problems)
    if problems:
        raise ModelTextError("The hypotheses", problems)
    return list(asked)
