"""Score tests of equality constraints: what chi-square would lose, about, if they were released.

Give every row of the table its own parameter (r of them). Equal labels and constraints ``==`` are then rows
of a matrix R (m, r) of full rank, and with s the mean score and I the information of one person there
(:mod:`implstats.sem.after.scores`),

    all at once    n s' I^- s                  df = rank(I) - (r - m)
    one, the i-th  n (z_i's)^2 / V_i,  V_i = z_i'I z_i - z_i'I K (K'I K)^-1 K'I z_i          df = 1

K spans the null space of R, where K's = 0, and z_i is the i-th column of R^+, the direction that breaks only
constraint i. z_i's / V_i is the expected change of the constraint's left minus its right side.
Releasing all may leave the model unidentified, as with scalar invariance, whose release would have free
latent means beside free intercepts. Then I has a null space, along which the likelihood does not change,
and the degrees of freedom are fewer than constraints; lavaan 0.6-14 counts the constraints.
Silvey (1959), Annals of Mathematical Statistics 30; Bentler & Chou (1992), Sociological Methods 21.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from implstats.errors import ModelError, NotSupportedError, UsageError
from implstats.results import Check
from implstats.sem.after.normal_theory import LEAST_SQUARES, NORMAL_THEORY, normal_theory_fit
from implstats.sem.after.scores import score_at
from implstats.sem.estimators.constraints import null_space
from implstats.sem.fitted import Estimated
from implstats.sem.language.rows import Row
from implstats.sem.model.matrices import build_structures, fill_sample_moments
from implstats.sem.options import Information
from implstats.sem.results import SemResult

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
# Eigenvalues of the information, scaled to a unit diagonal, below this: directions without information.
NO_INFORMATION = 1e-9
# The same for the share of information that a released constraint has to itself.
UNIDENTIFIED = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTest:
    """The release of one constraint.

    Attributes
    ----------
    constraint : str
        Such as ``"f =~ x2 [a] == f =~ x2 [b]"``, or as the model writes it.
    statistic, p_value : float or None
        Chi-square with one degree of freedom; ``None`` where the release would leave the model unidentified.
    epc : float or None
        Expected change of left minus right side.
    """

    constraint: str
    statistic: float | None
    p_value: float | None
    epc: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTests:
    """The release of all constraints, and of each.

    Attributes
    ----------
    statistic, p_value : float
    df : int
        Below the number of constraints where releasing all leaves the model unidentified.
    rows : tuple of ScoreTest
    checks : tuple of Check
    """

    statistic: float
    df: int
    p_value: float
    rows: tuple[ScoreTest, ...]
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a constraint."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])


def score_tests(result: SemResult, *, information: Information = "expected") -> ScoreTests:
    """Return score tests of a model's equality constraints: equal labels, ``group_equal`` and ``==``.

    Parameters
    ----------
    result : SemResult
        A fit by any estimator that did not fail.
    information : {"expected", "observed"}

    Raises
    ------
    ModelError
        The fit failed, or the model has no equality constraint.
    NotSupportedError
        Inequality constraints, two-stage estimation, or persons in clusters.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import sem
    >>> x = np.random.default_rng(3).normal(size=(200, 3))
    >>> frame = pd.DataFrame({"y": x.sum(axis=1), "a": x[:, 0], "b": x[:, 1]})
    >>> score_tests(sem.fit("y ~ k*a + k*b", frame)).df
    1
    """
    if information not in get_args(Information):
        raise UsageError(f"information '{information}' is not known. Choose expected or observed.")
    estimated = normal_theory_fit(
        result, what="Score tests", least_squares=True, ordered=True, clusters=False,
        instead="They take persons as independent. Release the constraint and compare fits (sem.compare).",
    )  # fmt: skip
    if any(not c.equality for c in estimated.table.constraints):
        raise NotSupportedError(
            "Score tests with inequality constraints are not served: their distribution is not chi-square. "
            "Compare fits with and without the constraint (sem.compare)."
        )
    rows, owner = _own_parameters(estimated)
    R, texts, redundant = _independent(*_restrictions(estimated, rows, owner))
    if not texts:
        raise ModelError("Score tests: the model has no equality constraint to release.")
    score, info = _score_and_information(estimated, rows, owner, information)
    n = estimated.sample.n
    statistic, df = _total(score, info, n, n_constraints=len(R))
    one, epc = _each(score, info, R)
    tests = [_test(text, n * s * e, e) for text, s, e in zip(texts, one, epc, strict=True)]
    return ScoreTests(
        statistic=statistic,
        df=df,
        p_value=float(chdtrc(df, statistic)),
        rows=tuple(tests),
        checks=_checks(result, redundant, lost=len(R) - df),
    )


def _test(text: str, statistic: float, epc: float) -> ScoreTest:
    if not np.isfinite(epc):
        return ScoreTest(constraint=text, statistic=None, p_value=None, epc=None)
    return ScoreTest(
        constraint=text, statistic=float(statistic), p_value=float(chdtrc(1.0, statistic)), epc=float(epc)
    )


def _own_parameters(estimated: Estimated) -> tuple[list[Row], NDArray[np.intp]]:
    """The table's rows, free ones numbered one by one, and the old parameter (from 0) of each number."""
    rows, owner = [], []
    for row in estimated.table.rows:
        if row.free:
            owner.append(row.free - 1)
        rows.append(replace(row, free=len(owner) if row.free else 0))
    return rows, np.array(owner, dtype=np.intp)


def _restrictions(
    estimated: Estimated, rows: list[Row], owner: NDArray[np.intp]
) -> tuple[list[Array], list[str]]:
    """One row of R and one text a constraint: the model's own, then those of equal labels."""
    first = {int(j): k for k, j in reversed(list(enumerate(owner)))}
    free = [row for row in rows if row.free]
    found: list[Array] = []
    texts: list[str] = []
    problem = estimated.problem
    if problem.constraints is not None:
        _, jacobian = problem.constraints.evaluate(problem.table.constraints, estimated.optimum.theta)
        for constraint, gradient in zip(problem.table.constraints, jacobian, strict=True):
            line = np.zeros(len(owner))
            line[[first[j] for j in range(len(gradient))]] = gradient
            found.append(line)
            texts.append(constraint.text)
    for k, j in enumerate(owner):
        if first[int(j)] != k:
            line = np.zeros(len(owner))
            line[first[int(j)]], line[k] = 1.0, -1.0
            found.append(line)
            texts.append(f"{_named(estimated, free[first[int(j)]])} == {_named(estimated, free[k])}")
    return found, texts


def _named(estimated: Estimated, row: Row) -> str:
    group = estimated.table.groups[row.group - 1]
    return row.name + (f" [{group}]" if group else "")


def _independent(lines: list[Array], texts: list[str]) -> tuple[Array, list[str], list[str]]:
    """R with its texts, without rows that depend on those before them, and the texts of these."""
    kept: list[Array] = []
    names: list[str] = []
    redundant: list[str] = []
    for line, text in zip(lines, texts, strict=True):
        if np.linalg.matrix_rank(np.array([*kept, line])) > len(kept):
            kept.append(line)
            names.append(text)
        else:
            redundant.append(text)
    return np.array(kept), names, redundant


def _score_and_information(
    estimated: Estimated, rows: list[Row], owner: NDArray[np.intp], information: Information
) -> tuple[Array, Array]:
    """Mean score and information of one person in the model with a parameter a row."""
    structures = build_structures(replace(estimated.table, rows=tuple(rows), n_free=len(owner)))
    for structure, sample in zip(structures, estimated.sample.groups, strict=True):
        fill_sample_moments(structure, sample.moments.cov, sample.moments.mean)
    at = score_at(structures, estimated.sample, estimated.optimum.theta[owner], information)
    return at.score, at.information


def _total(score: Array, information: Array, n: int, *, n_constraints: int) -> tuple[float, int]:
    """The statistic of releasing all, and its degrees of freedom."""
    scale = 1.0 / np.sqrt(np.diag(information))
    values, vectors = np.linalg.eigh(information * np.outer(scale, scale))
    known = values > NO_INFORMATION * values[-1]
    along = vectors[:, known].T @ (scale * score)
    statistic = n * float((along**2 / values[known]).sum())
    return statistic, int(known.sum()) - (len(score) - n_constraints)


def _each(score: Array, information: Array, R: Array) -> tuple[Array, Array]:
    """z's and the expected change, of each constraint; NaN where its release is not identified."""
    K = null_space(R)
    Z = np.linalg.pinv(R)
    IZ = information @ Z
    own = (Z * IZ).sum(axis=0)
    cross = K.T @ IZ
    V = own - (cross * np.linalg.solve(K.T @ information @ K, cross)).sum(axis=0)
    along = Z.T @ score
    epc = np.divide(along, V, out=np.full_like(V, np.nan), where=UNIDENTIFIED * own < V)
    return along, epc


def _checks(result: SemResult, redundant: list[str], *, lost: int) -> tuple[Check, ...]:
    checks = []
    if redundant:
        checks.append(Check(
            name="redundant", status="info",
            message=f"Left out, because others imply them: {', '.join(redundant)}.",
        ))  # fmt: skip
    if lost:
        checks.append(Check(
            name="identified", status="info",
            message=f"Releasing all constraints would leave {lost} direction(s) unidentified, which are not "
            "counted in the degrees of freedom.",
        ))  # fmt: skip
    if result.estimator not in ("ML", *LEAST_SQUARES):
        of = "normal theory" if result.estimator in NORMAL_THEORY else "the least-squares criterion"
        checks.append(Check(
            name="robust", status="info",
            message=f"Score tests are those of {of}, also under {result.estimator}, as in lavaan. "
            "sem.compare gives scaled difference tests.",
        ))  # fmt: skip
    return tuple(checks)
