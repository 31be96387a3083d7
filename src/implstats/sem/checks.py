"""May these numbers be trusted? Each check looks at one thing and says one sentence.

converged    the gradient is flat in units of each parameter's standard error, and the exact Hessian is
             positive definite
identified   degrees of freedom are not negative and the information has full rank: scaled to a unit
             diagonal, its smallest eigenvalue is the share of information that a direction keeps
admissible   no negative variance, no correlation beyond one, Psi, Theta and cov(eta) positive semidefinite
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from implstats.results import Check
from implstats.sem.data.groups import GroupedSample
from implstats.sem.data.sample import Sample
from implstats.sem.estimators.fiml import Incomplete
from implstats.sem.estimators.optimise import Optimum
from implstats.sem.model.matrices import Structure, filled
from implstats.sem.model.moments import Moments

Array = NDArray[np.float64]
# A rank-deficient information keeps rounding errors of about 1e-13; the weakest sound model met keeps 1e-6.
RANK_TOLERANCE = 1e-9
# A gain of less than this in chi-square is beyond all reporting.
CHISQ_LEFT = 1e-7
# A constraint that is met to this is met.
HELD = 1e-8
# Rounding of an eigenvalue or correlation that is zero or one by design.
BOUNDARY = 1e-7
# The share of persons with both answers below which a covariance is hardly known; Mplus warns here too.
LOW_COVERAGE = 0.10


def check_sample(sample: GroupedSample, n_free: int) -> list[Check]:
    """Say how many persons were used, whether they are enough, and what the answers look like."""
    n = sample.n
    checks = _check_groups(sample)
    if sample.full_information or sample.groups[0].two_stage is not None:
        for label, group in zip(sample.labels, sample.groups, strict=True):
            known = group.incomplete or group.two_stage
            if known is not None:
                checks += _check_incomplete(label, group, known)
    elif sample.groups[0].summary:
        checks += _check_summary(n, sample.groups[0].summary)
    elif sample.n_dropped:
        empty = f", {sample.n_empty} of them without any answer" if sample.n_empty else ""
        checks.append(Check(
            name="listwise", status="info",
            message=f"{n} of {sample.n_rows} persons answered everything and were used; "
                    f"{sample.n_dropped} were left out{empty}.",
        ))  # fmt: skip
    else:
        checks.append(Check(name="listwise", status="ok", message=f"All {n} persons answered everything."))
    if n < n_free:
        checks.append(Check(
            name="small_sample", status="fail",
            message=f"{n} persons for {n_free} free parameters: fewer persons than parameters, so nothing "
                    "can be said of them. Use a smaller model, or scores instead of items.",
        ))  # fmt: skip
    elif n < 5 * n_free:
        checks.append(Check(
            name="small_sample", status="warn",
            message=f"{n} persons for {n_free} free parameters: fewer than 5 a parameter, so estimates "
                    "and tests are unsure. Use a smaller model or scores instead of items.",
        ))  # fmt: skip
    if sample.few_categories:
        names = ", ".join(sample.few_categories[:8]) + (
            " and others" if len(sample.few_categories) > 8 else ""
        )
        checks.append(Check(
            name="few_categories", status="info",
            message=f"Five or fewer different answers on {names}: treated as numbers, so loadings and "
                    "chi-square may be off. Declared as ordered, they are taken as categories (WLSMV).",
        ))  # fmt: skip
    return checks


def _check_summary(n: int, kind: str) -> list[Check]:
    """Say that only a matrix was given, and what a correlation matrix does to tests."""
    checks = [Check(
        name="summary", status="info",
        message=f"Fitted to a {kind} matrix of {n} persons (divisor n - 1); the answers themselves were not "
                "looked at.",
    )]  # fmt: skip
    if kind == "correlation":
        checks.append(Check(
            name="correlations", status="warn",
            message="A correlation matrix was taken as covariances: standard errors are wrong unless the "
                    "model is free of scale, and equality constraints change their meaning. Give standard "
                    "deviations: multiply rows and columns by them (--sd on the command line).",
        ))  # fmt: skip
    return checks


def _check_groups(sample: GroupedSample) -> list[Check]:
    """Say how many persons each group has, and who has no group."""
    if not sample.column:
        return []
    sizes = ", ".join(
        f"{label} {group.moments.n}" for label, group in zip(sample.labels, sample.groups, strict=True)
    )
    left_out = f" {sample.n_no_group} row(s) without a group were left out." if sample.n_no_group else ""
    return [Check(
        name="groups", status="info",
        message=f"Persons by {sample.column}, in the order of the data: {sizes}.{left_out}",
    )]  # fmt: skip


def _check_incomplete(label: str, sample: Sample, incomplete: Incomplete) -> list[Check]:
    """Say what full information used, what it left out and where little was answered together."""
    patterns = incomplete.patterns
    message = (
        f"{_in_group(label)}{patterns.n} of {sample.n_rows} persons used, with "
        f"{incomplete.share_missing:.1%} of answers missing in {len(patterns.share)} pattern(s)"
    )
    if sample.n_dropped:
        message += (
            f"; {sample.n_dropped} left out, {sample.n_empty} without any answer and "
            f"{incomplete.n_no_predictor} without an exogenous predictor"
        )
    message += ". Estimates are right if answers are missing at random given the answers in the model."
    checks = [Check(name="full_information", status="info", message=message)]
    together = np.einsum("k,ki,kj->ij", patterns.share, patterns.seen * 1.0, patterns.seen * 1.0)
    lowest = float(together.min())
    if lowest < LOW_COVERAGE:
        checks.append(Check(
            name="coverage", status="warn",
            message=f"{_in_group(label)}Only {lowest:.1%} of persons answered some pair of variables "
                    "together: what rests on their covariance is unsure. Leave out variables that were "
                    "seldom answered.",
        ))  # fmt: skip
    return checks


def _in_group(label: str) -> str:
    return f"Group {label}: " if label else ""


def check_degrees_of_freedom(df: int, n_moments: int, n_free: int) -> Check:
    """Counting rule: no more parameters than moments."""
    if df < 0:
        return Check(
            name="identified", status="fail",
            message=f"Not identified: {n_free} free parameters but only {n_moments} moment(s) of the data. "
                    f"Fix or equate at least {-df} parameter(s), or add indicators.",
        )  # fmt: skip
    if df == 0:
        return Check(
            name="saturated",
            status="info",
            message="No degrees of freedom: the model fits any data, so fit is not tested.",
        )
    return Check(name="degrees_of_freedom", status="ok", message=f"{df} degrees of freedom.")


def information_rank(
    information: Array, names: list[str], tangent: Array | None = None
) -> tuple[float, list[str]]:
    """Return the smallest eigenvalue of the scaled information and the parameters of its null directions.

    ``tangent``, shape (q, r), holds the directions that constraints leave; only those are looked at.

    >>> information_rank(np.array([[1.0, 1.0], [1.0, 1.0]]), ["a", "b"])[1]
    ['a', 'b']
    """
    if not len(information):
        return 1.0, []
    scale = np.sqrt(np.diag(information))
    empty = [name for name, s in zip(names, scale, strict=True) if not s > 0]
    if empty and tangent is None:
        return 0.0, empty
    scale = np.where(scale > 0, scale, 1.0)
    scaled = information / np.outer(scale, scale)
    K = None if tangent is None else np.linalg.qr(tangent * scale[:, None])[0]
    if K is not None:
        scaled = K.T @ scaled @ K
    if not len(scaled):
        return 1.0, []
    smallest = float(np.linalg.eigvalsh(scaled)[0])
    if smallest >= RANK_TOLERANCE:
        return smallest, []
    values, vectors = np.linalg.eigh(scaled)
    null = (vectors if K is None else K @ vectors)[:, values < RANK_TOLERANCE]
    weight = np.abs(null).max(axis=1)
    part = [name for name, w in zip(names, weight, strict=True) if w > 0.05 * weight.max()]
    return float(values[0]), part


def check_identified(unidentified: list[str]) -> Check:
    """Full rank of the information, or which parameters cannot be told apart."""
    if not unidentified:
        return Check(
            name="identified",
            status="ok",
            message="Every parameter is identified: the information has full rank.",
        )
    return Check(
        name="identified", status="fail",
        message=f"Not identified: the data cannot tell these parameters apart: "
                f"{listed(unidentified)}. Fix one of them (a residual variance, a "
        "loading), give two the same label, or add indicators.",
    )  # fmt: skip


def listed(names: Sequence[str], *, most: int = 8) -> str:
    """Return names with commas, the first of many.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def check_convergence(optimum: Optimum, n: int) -> tuple[bool, list[Check]]:
    """Judge the optimum by gradient and curvature."""
    if not np.isfinite(optimum.decrement):
        return False, [Check(
            name="curvature", status="fail",
            message=f"No optimum was reached in {optimum.iterations} iterations: the curvature is not "
                    "positive. Look for a factor with "
            "two weak indicators, give start() values, or simplify the model.",
        )]  # fmt: skip
    left = n * optimum.decrement
    if left > CHISQ_LEFT:
        return False, [Check(
            name="gradient", status="fail",
            message=f"Not converged after {optimum.iterations} iterations: chi-square could still fall by "
                    f"{left:.3g}. Give start() values "
            "or simplify the model; very different scales of the variables may also do this.",
        )]  # fmt: skip
    return True, [
        Check(name="gradient", status="ok", message=f"Flat after {optimum.iterations} iterations: largest "
                                                    f"derivative {optimum.max_gradient:.1e}."),
        Check(name="curvature", status="ok", message="The exact Hessian is positive definite: a proper "
                                                     "minimum."),
    ]  # fmt: skip


def check_admissible(
    structures: Sequence[Structure], theta: Array, moments: Sequence[Moments], labels: Sequence[str]
) -> tuple[bool, list[Check]]:
    """Look for variances and correlations that cannot be, in each group."""
    problems = []
    for structure, of_group, label in zip(structures, moments, labels, strict=True):
        found = _inadmissible(structure, theta, of_group)
        problems += [f"in group {label}, {problem}" if label else problem for problem in found]
    if problems:
        return False, [Check(
            name="admissible", status="warn",
            message=f"Inadmissible: {'; '.join(problems)}. The factor may be measured too weakly, the "
                    "sample too small or the model wrong: "
            "drop or merge factors, or fix a small negative variance at zero.",
        )]  # fmt: skip
    return True, [
        Check(name="admissible", status="ok", message="No negative variance and no correlation beyond one.")
    ]


def _inadmissible(structure: Structure, theta: Array, moments: Moments) -> list[str]:
    """What cannot be in one group."""
    matrices = filled(structure, theta)
    latent = structure.eta[: structure.n_latent]
    problems = _negative_variances(structure, matrices)
    problems += _beyond_one(moments.phi[: len(latent), : len(latent)], latent, "the correlation of")
    problems += _beyond_one(matrices["psi"], structure.eta, "the residual correlation of")
    problems += _beyond_one(matrices["theta"], structure.observed, "the residual correlation of")
    if not problems:
        for label, matrix in (("residual", matrices["theta"]), ("latent", matrices["psi"])):
            if _indefinite(matrix):
                problems.append(f"the {label} covariance matrix is not positive semidefinite")
    return problems


def _negative_variances(structure: Structure, matrices: dict[str, Array]) -> list[str]:
    found = []
    for matrix, names in (("theta", structure.observed), ("psi", structure.eta)):
        values = np.diag(matrices[matrix])
        found += [
            f"{name} ~~ {name} is {v:.4g}, a negative variance"
            for name, v in zip(names, values, strict=True)
            if v < 0
        ]
    return found


def _beyond_one(cov: Array, names: tuple[str, ...], what: str) -> list[str]:
    variance = np.diag(cov)
    bound = np.sqrt(np.outer(np.maximum(variance, 0), np.maximum(variance, 0)))
    row, col = np.nonzero(np.tril((bound > 0) & (np.abs(cov) > bound * (1 + BOUNDARY)), -1))
    return [
        f"{what} {names[j]} and {names[i]} is {cov[i, j] / bound[i, j]:.3f}"
        for i, j in zip(row, col, strict=True)
    ]


def _indefinite(cov: Array) -> bool:
    kept = np.diag(cov) > 0
    if not kept.any():
        return False
    part = cov[np.ix_(kept, kept)]
    sd = np.sqrt(np.diag(part))
    return bool(np.linalg.eigvalsh(part / np.outer(sd, sd))[0] < -BOUNDARY)


def check_constraints(
    *, departure: float, n_equal: int, n_asked: int, redundant: Sequence[str], active: Sequence[str]
) -> list[Check]:
    """Say whether the constraints hold, which say nothing new and which inequalities are at their bound."""
    if departure > HELD:
        return [Check(
            name="constraints", status="fail",
            message=f"No estimate meets all constraints: the largest departure is {departure:.3g}. They may "
                    "contradict each other; leave one out or give start() values that meet them.",
        )]  # fmt: skip
    found = [Check(
        name="constraints", status="ok",
        message=f"{n_equal} independent equality constraint(s); all constraints hold within {HELD:g}.",
    )]  # fmt: skip
    if redundant:
        found.append(Check(
            name="redundant_constraints", status="info",
            message=f"Already implied by the constraints before: {'; '.join(redundant)}. Not counted.",
        ))  # fmt: skip
    elif n_equal < n_asked:
        found.append(Check(
            name="redundant_constraints", status="info",
            message=f"Of {n_asked} equality constraints {n_asked - n_equal} follow(s) from the others at the "
                    "estimate and is not counted.",
        ))  # fmt: skip
    if active:
        found.append(Check(
            name="active_constraints", status="warn",
            message=f"At the bound: {'; '.join(active)}. Standard errors take it as an equality, and "
                    "chi-square and p-values are not exact there. Look at the fit without it.",
        ))  # fmt: skip
    return found
