"""Which scaled test goes with the robust standard errors of MLR.

The errors of MLR (sandwich with exact information) stand beside any of four tests of one chi-square X, by
lavaan's names:

    yuan.bentler.mplus   X / c, c from the traces of two sandwiches, exact information     the estimator's own
    satorra.bentler      X / c, c = tr(U Gamma) / df, expected information                 that of MLM
    scaled.shifted       a X + b with the mean and variance of chi-square                  that of MLMV
    mean.var.adjusted    X t1 / t2 with df t1^2 / t2                                       that of MLMVS

The difference of two traces is noisy in small samples: with heavy tails and 300 persons the first rejects a
true model in 9.6 % of samples at 5 %, the others in 6.5, 5.3 and 5.3 % (docs/methods/sem.md). In lavaan:
``estimator = "ML", se = "robust.huber.white", test = ..., information = c("observed", "expected")``.

ML for persons in clusters is MLR but for the information in c, which leaves out the second derivatives of the
moments in the parameters (lavaan's ``observed.information = "h1"``): ``structured_trace``.
"""

from __future__ import annotations

from dataclasses import replace

from implstats.errors import NotSupportedError, UsageError, did_you_mean
from implstats.results import Check
from implstats.sem.fitted import Estimated
from implstats.sem.options import Options

OWN = "yuan.bentler.mplus"
# Fewer persons and a larger factor: there benchmarks/sem/coverage.md shows the difference.
FEW_PERSONS = 1000
FAR_FROM_NORMAL = 1.1
# The estimator whose test this is.
TEST_OF = {"satorra.bentler": "MLM", "scaled.shifted": "MLMV", "mean.var.adjusted": "MLMVS"}


def with_test(options: Options, test: str | None) -> Options:
    """Return the options with the scaled test asked for.

    Raises
    ------
    UsageError
        An unknown test, or one beside another estimator than MLR.
    NotSupportedError
        A test of complete, independent persons for others.
    """
    if test is None:
        return options
    known = (OWN, *TEST_OF)
    if test not in known:
        raise UsageError(
            f"test '{test}' is not known{did_you_mean(test, known) or '.'} Choose one of {', '.join(known)}."
        )
    if options.estimator != "MLR":
        raise UsageError(
            f"test '{test}' goes with estimator 'MLR'; {options.estimator} has its own. Leave test out, or "
            "take 'MLR'."
        )
    if test == OWN:
        return options
    if options.cluster is not None or options.missing != "listwise":
        what = "persons in clusters" if options.cluster is not None else f"missing '{options.missing}'"
        raise NotSupportedError(
            f"test '{test}' for {what} is not done by this version of implstats. Leave test out: '{OWN}' "
            "allows for them."
        )
    return replace(options, test=test)


def as_tested(estimated: Estimated) -> Estimated:
    """Return the fit as the estimator sees it whose test is asked for; itself without such a wish."""
    test = estimated.options.test
    if test is None:
        return estimated
    options = replace(estimated.options, estimator=TEST_OF[test], test=None)  # type: ignore[arg-type]
    return replace(estimated, problem=replace(estimated.problem, options=options))


def rejects_too_often(options: Options, factor: float | None, n: int) -> list[Check]:
    """Say that the test is liberal: MLR's own, few persons (n) and a scaling factor far from one."""
    own = options.estimator == "MLR" and options.test is None
    if not own or options.cluster is not None or options.missing != "listwise":
        return []
    if n >= FEW_PERSONS or factor is None or factor < FAR_FROM_NORMAL:
        return []
    return [
        Check(
            name="scaled_test",
            status="info",
            message=f"{n} persons whose answers are far from normal (scaling factor {factor:.2f}): MLR's "
            "test of fit rejects a true model too often, in 8 to 12 of 100 samples of 300 instead of 5. "
            "test='satorra.bentler' with the same standard errors stays between 4 and 7.",
        )
    ]
