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
Generalised statistics put c_i'J c_i in the place of V_i, with c_i = z_i - K (K'I K)^-1 K'I z_i and J of
:mod:`implstats.sem.after.score_variance`.
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
from implstats.sem.after.proper_fit import corrected_criterion, proper_fit
from implstats.sem.after.score_variance import needs_generalised, score_variance
from implstats.sem.after.scores import ScoreAt, score_at
from implstats.sem.estimators.constraints import null_space
from implstats.sem.fitted import Estimated
from implstats.sem.language.rows import Row
from implstats.sem.model.matrices import Structure, build_structures, fill_sample_moments
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
    statistic_robust, p_robust : float or None
        The generalised score statistic; ``None`` where it was not asked for.
    """

    constraint: str
    statistic: float | None
    p_value: float | None
    epc: float | None
    statistic_robust: float | None = None
    p_robust: float | None = None


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
    statistic_robust, p_robust : float or None
        Of the release of all; ``None`` where it was not asked for.
    """

    statistic: float
    df: int
    p_value: float
    rows: tuple[ScoreTest, ...]
    checks: tuple[Check, ...]
    statistic_robust: float | None = None
    p_robust: float | None = None

    @property
    def frame(self) -> pd.DataFrame:
        """One row a constraint."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])


def score_tests(
    result: SemResult, *, information: Information = "expected", robust: bool | None = None
) -> ScoreTests:
    """Return score tests of a model's equality constraints: equal labels, ``group_equal`` and ``==``.

    Parameters
    ----------
    result : SemResult
        A fit by any estimator that did not fail.
    information : {"expected", "observed"}
    robust : bool, optional
        Give generalised score statistics too, which allow for the distribution of the answers and for
        clusters; by default only for persons in clusters and after two stages.

    Raises
    ------
    UsageError
        Unknown information, ``robust`` of a covariance matrix.
    ModelError
        The fit failed, or the model has no equality constraint.
    NotSupportedError
        Inequality constraints.

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
    estimated = proper_fit(result, what="Score tests")
    if any(not c.equality for c in estimated.table.constraints):
        raise NotSupportedError(
            "Score tests with inequality constraints are not served: their distribution is not chi-square. "
            "Compare fits with and without the constraint (sem.compare)."
        )
    rows, owner = _own_parameters(estimated)
    R, texts, redundant = _independent(*_restrictions(estimated, rows, owner))
    if not texts:
        raise ModelError("Score tests: the model has no equality constraint to release.")
    structures, at = _score_of_rows(estimated, rows, owner, information)
    n = estimated.sample.n
    statistic, df = _total(at.score, at.information, n, n_constraints=len(R))
    one, epc, directions = _each(at.score, at.information, R)
    tests = [_test(text, n * s * e, e) for text, s, e in zip(texts, one, epc, strict=True)]
    all_robust = None
    if robust if robust is not None else needs_generalised(estimated.options):
        J = score_variance(estimated, structures, at)
        tests = [_with_robust(t, n, at.score, c, J) for t, c in zip(tests, directions.T, strict=True)]
        all_robust = _total_robust(at.score, directions, J, n, df=df)
    return ScoreTests(
        statistic=statistic,
        df=df,
        p_value=float(chdtrc(df, statistic)),
        rows=tuple(tests),
        checks=_checks(result, redundant, lost=len(R) - df, robust=all_robust is not None),
        statistic_robust=all_robust,
        p_robust=None if all_robust is None else float(chdtrc(df, all_robust)),
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


def _score_of_rows(
    estimated: Estimated, rows: list[Row], owner: NDArray[np.intp], information: Information
) -> tuple[tuple[Structure, ...], ScoreAt]:
    """The model with a parameter a row, and its score and information at the estimate."""
    structures = build_structures(replace(estimated.table, rows=tuple(rows), n_free=len(owner)))
    for structure, sample in zip(structures, estimated.sample.groups, strict=True):
        fill_sample_moments(structure, sample.moments.cov, sample.moments.mean)
    return structures, score_at(structures, estimated.sample, estimated.optimum.theta[owner], information)


def _total(score: Array, information: Array, n: int, *, n_constraints: int) -> tuple[float, int]:
    """The statistic of releasing all, and its degrees of freedom."""
    scale = 1.0 / np.sqrt(np.diag(information))
    values, vectors = np.linalg.eigh(information * np.outer(scale, scale))
    known = values > NO_INFORMATION * values[-1]
    along = vectors[:, known].T @ (scale * score)
    statistic = n * float((along**2 / values[known]).sum())
    return statistic, int(known.sum()) - (len(score) - n_constraints)


def _each(score: Array, information: Array, R: Array) -> tuple[Array, Array, Array]:
    """z's, the expected change (NaN where not identified), and c = z - K (K'I K)^-1 K'I z, (r, m)."""
    K = null_space(R)
    Z = np.linalg.pinv(R)
    IZ = information @ Z
    own = (Z * IZ).sum(axis=0)
    cross = K.T @ IZ
    explained = np.linalg.solve(K.T @ information @ K, cross)
    V = own - (cross * explained).sum(axis=0)
    along = Z.T @ score
    epc = np.divide(along, V, out=np.full_like(V, np.nan), where=UNIDENTIFIED * own < V)
    return along, epc, np.asarray(Z - K @ explained)


def _with_robust(test: ScoreTest, n: int, score: Array, direction: Array, J: Array) -> ScoreTest:
    if test.statistic is None:
        return test
    statistic = n * float(direction @ score) ** 2 / float(direction @ J @ direction)
    return replace(test, statistic_robust=statistic, p_robust=float(chdtrc(1.0, statistic)))


def _total_robust(score: Array, directions: Array, J: Array, n: int, *, df: int) -> float:
    """n u'(C'J C)^- u with u = C's, on the ``df`` directions of C (r, m) that are identified."""
    u, V = directions.T @ score, directions.T @ J @ directions
    scale = 1.0 / np.sqrt(np.diag(V))
    values, vectors = np.linalg.eigh(V * np.outer(scale, scale))
    along = vectors[:, -df:].T @ (scale * u)
    return n * float((along**2 / values[-df:]).sum())


def _checks(result: SemResult, redundant: list[str], *, lost: int, robust: bool) -> tuple[Check, ...]:
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
    if robust:
        checks.append(Check(
            name="robust", status="info",
            message="statistic takes persons as the criterion does; statistic_robust allows for the "
            "distribution of their answers, clusters and a first stage (generalised score statistic). Judge "
            "by it.",
        ))  # fmt: skip
    elif criterion := corrected_criterion(result):
        checks.append(Check(
            name="robust", status="info",
            message=f"Score tests are those of {criterion}, also under {result.estimator}, as in lavaan. "
            "robust=True adds generalised score statistics.",
        ))  # fmt: skip
    return tuple(checks)
