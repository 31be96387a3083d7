"""How mean scores vary from sample to sample, whatever the distribution of the answers.

    J = sum_i s_i s_i' / n        n times the covariance matrix of the mean score

over persons, or over clusters with the scores of a cluster's persons summed; under least squares
J = sum_g (n_g / n) J_g'W_g Gamma_g W_g J_g. A direction c of parameters that is orthogonal to those of the
model, c'I K = 0, has the generalised score statistic n (c's)^2 / c'J c, chi-square with one degree of
freedom (Boos 1992, American Statistician 46; Satorra 1989, Psychometrika 54), where information and J agree
only if the answers are as the criterion takes them: normal, independent, or weighted by their inverse
covariance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from implstats.errors import UsageError
from implstats.sem.after.scores import ScoreAt
from implstats.sem.estimators.fiml import Incomplete
from implstats.sem.estimators.incomplete import complete_information, moment_derivatives
from implstats.sem.estimators.ml import Evaluation
from implstats.sem.fitted import Estimated
from implstats.sem.inference.fiml_fit import fiml_score_products
from implstats.sem.inference.least_squares_fit import forms_of
from implstats.sem.inference.quadratic import Form, meat
from implstats.sem.inference.robust import Kind, score_products
from implstats.sem.inference.two_stage import stage_one
from implstats.sem.model.matrices import Structure, columns_to_free
from implstats.sem.model.moments import Stacks
from implstats.sem.model_fit import fitted_groups
from implstats.sem.options import Options

Array = NDArray[np.float64]


def needs_generalised(options: Options) -> bool:
    """Whether plain score statistics are too large by design: of clusters, and after a first stage."""
    return options.cluster is not None or options.two_stage


def score_variance(estimated: Estimated, structures: Sequence[Structure], at: ScoreAt) -> Array:
    """Return J, shape (q, q), of a model with ``structures`` at its score ``at``.

    Raises
    ------
    UsageError
        Only a covariance matrix was given.
    """
    samples = estimated.sample.groups
    if samples[0].summary:
        raise UsageError(
            "robust: generalised score statistics need persons' answers, and this fit has only a covariance "
            "matrix. Leave robust out."
        )
    if estimated.options.least_squares:
        return meat(
            [_form(form, block.jacobian) for form, block in zip(forms_of(estimated), at.blocks, strict=True)]
        )
    stages = [sample.two_stage for sample in samples if sample.two_stage is not None]
    if stages:
        parts = zip(structures, stages, at.blocks, estimated.sample.share, strict=True)
        return meat([_stage_form(estimated, *part) for part in parts])
    stacks = [_found(block.stacks) for block in at.blocks]
    incomplete = [sample.incomplete for sample in samples if sample.incomplete is not None]
    if incomplete:
        total = fiml_score_products(structures, incomplete, at.moments, stacks)
    else:
        kind: Kind = "MLR" if estimated.options.estimator == "MLR" else "MLM"
        groups = [replace(g, stacks=s) for g, s in zip(fitted_groups(estimated), stacks, strict=True)]
        total = score_products(structures, groups, kind)
    return total / estimated.sample.n


def generalised_variance(J: Array, within: Array) -> Array:
    """Return c_k'J c_k, shape (r,), of the scores less what the model's parameters explain of them.

    Parameters
    ----------
    J : ndarray, shape (q + r, q + r)
        Of :func:`score_variance`.
    within : ndarray, shape (q, r)
        P I_.k, so that c_k = e_k - P I_.k.
    """
    q = len(within)
    cross = 2.0 * (within * J[:q, q:]).sum(axis=0)
    return np.asarray(np.diag(J)[q:] - cross + (within * (J[:q, :q] @ within)).sum(axis=0))


def _stage_form(
    estimated: Estimated, structure: Structure, stage: Incomplete, block: Evaluation, share: float
) -> Form:
    """The quadratic form of stage two: W of complete answers, Gamma of stage one."""
    return Form(
        jacobian=columns_to_free(structure, moment_derivatives(_found(block.stacks))),
        weight=complete_information(stage.saturated.cov),
        gamma=stage_one(stage, robust=estimated.options.missing == "robust.two.stage"),
        share=share,
    )


def _form(form: Form, jacobian: Array | None) -> Form:
    if jacobian is None:
        raise AssertionError("a least-squares criterion has derivatives")
    return replace(form, jacobian=jacobian)


def _found(stacks: Stacks | None) -> Stacks:
    if stacks is None:
        raise AssertionError("the criterion exists at an optimum")
    return stacks
