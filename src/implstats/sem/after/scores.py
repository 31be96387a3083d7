"""Score and information of a model at an estimate, whatever its criterion.

    s = -1/2 sum_g w_g dF_g / dtheta      I = sum_g v_g I_g

F_g is a group's criterion and I_g the information of one person of it: under normal theory that of the
moments (those of stage one, where there are two), under least squares J'WJ (expected) or half the Hessian
of F_g (observed). Shares of persons are n_g / n, but of least squares w_g, and v_g of its observed
information, are (n_g - 1) / n: its criterion counts n_g - 1 persons and its information n_g, as in lavaan.
With n s'V^-1 s it makes a score test n - 1 over n of what chi-square would lose to first order. The weights
of WLSMV and its kin enter through W alone: a score test is not corrected for them as the test of fit is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.sem.data.groups import GroupedSample
from implstats.sem.data.sample import Sample
from implstats.sem.estimators.criterion import evaluate_group
from implstats.sem.estimators.fiml import Incomplete
from implstats.sem.estimators.incomplete import complete_information, moment_derivatives
from implstats.sem.estimators.least_squares import derived_values
from implstats.sem.estimators.ml import Evaluation
from implstats.sem.model.matrices import Structure, columns_to_free
from implstats.sem.model.moments import Moments, implied_moments
from implstats.sem.options import Information

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreAt:
    """What a score test needs of a model.

    Attributes
    ----------
    score : ndarray, shape (q,)
        Mean score of one person.
    information : ndarray, shape (q, q)
        Of one person.
    blocks : tuple of Evaluation
        Each group's criterion.
    moments : tuple of Moments
        Each group's whole implied moments: of predictors too, and with the residual variances that ordered
        items have under the delta parameterisation.
    """

    score: Array
    information: Array
    blocks: tuple[Evaluation, ...]
    moments: tuple[Moments, ...]


def score_at(
    structures: Sequence[Structure], sample: GroupedSample, theta: Array, information: Information
) -> ScoreAt:
    """Return score and information at theta, shape (q,); what follows from theta goes into the templates."""
    n, least_squares = sample.n, sample.groups[0].least_squares is not None
    score, total = np.zeros(len(theta)), np.zeros((len(theta),) * 2)
    blocks, moments = [], []
    for structure, group in zip(structures, sample.groups, strict=True):
        block = evaluate_group(structure, group, theta, information)
        if block.gradient is None or block.information is None:
            raise AssertionError("the criterion exists at an optimum")
        share = group.moments.n / n
        of_criterion = (group.moments.n - 1) / n if least_squares else share
        score -= 0.5 * of_criterion * block.gradient
        own = (
            block.information if group.two_stage is None else _of_stage_one(structure, group.two_stage, block)
        )
        total += (of_criterion if information == "observed" else share) * own
        blocks.append(block)
        moments.append(_moments(structure, group, theta, block))
    return ScoreAt(score=score, information=total, blocks=tuple(blocks), moments=tuple(moments))


def _of_stage_one(structure: Structure, stage: Incomplete, block: Evaluation) -> Array:
    """Delta'W Delta with W at the moments of stage one, expected or observed: as the errors take it."""
    if block.stacks is None:
        raise AssertionError("the criterion exists at an optimum")
    delta = columns_to_free(structure, moment_derivatives(block.stacks))
    return np.asarray(delta.T @ complete_information(stage.saturated.cov) @ delta)


def _moments(structure: Structure, sample: Sample, theta: Array, block: Evaluation) -> Moments:
    if sample.least_squares is not None:
        derived_values(structure, sample.least_squares, theta)
        return implied_moments(structure, theta)
    if block.moments is None:
        raise AssertionError("an optimum has moments")
    return block.moments


def score_and_variance(score: Array, information: Array, *, tangent: Array) -> tuple[Array, Array, Array]:
    """Return s (r,), V (r,) and P I_.k (q, r) of the r parameters behind the q that the model has.

    Parameters
    ----------
    score, information : ndarray, shapes (q + r,) and (q + r, q + r)
        Of one person, in the extended model.
    tangent : ndarray, shape (q, t)
        K; P = K (K' I K)^-1 K'.
    """
    q = len(tangent)
    along = information[q:, :q] @ tangent
    middle = np.linalg.solve(tangent.T @ information[:q, :q] @ tangent, along.T)
    return score[q:], np.diag(information)[q:] - (along * middle.T).sum(axis=1), tangent @ middle
