"""Two-stage estimation: lavaan's estimates, errors and scaled test; lavaan's baseline factor where it
is right.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import NotSupportedError, UsageError

# lavaan's optimiser stops 2e-6 off the optimum of stage two; errors and factors inherit that.
ESTIMATE = 2e-5
INDEX = 2e-6
FLAT = 1e-9
# lavaan scales its baseline test by one factor for both kinds, which is not that of a fit of that model.
BASELINE = ("cfi", "tli", "nnfi", "rni", "rfi", "nfi", "pnfi", "ifi")
OTHER = {"baseline.chisq.scaled", "baseline.chisq.scaling.factor"}
OTHER |= {f"{name}.{kind}" for name in BASELINE for kind in ("scaled", "robust")}
# lavaan takes GFI from pairwise moments; ours are the maximum likelihood moments (docs/methods/sem.md).
OTHER |= {"gfi", "agfi", "pgfi"}
CASES = [("two.stage", "twostage_hs"), ("robust.two.stage", "robusttwostage_hs")]


@pytest.mark.parametrize(("missing", "name"), CASES)
class TestAgainstLavaan:
    def test_estimates_and_errors(self, load_reference, load_data, missing, name):
        reference = load_reference(name)
        ours = sem.fit(
            reference["meta"]["model_syntax"], load_data("hs1939_missing"), kind="cfa", missing=missing
        )
        theirs = reference["parameters"]
        assert len(ours.parameters) == len(theirs["est"])
        for k, p in enumerate(ours.parameters):
            assert p.estimate == pytest.approx(theirs["est"][k], abs=ESTIMATE), p.name
            assert p.std_all == pytest.approx(theirs["std.all"][k], abs=ESTIMATE), p.name
            assert (p.std_error or 0.0) == pytest.approx(theirs["se"][k], abs=ESTIMATE), p.name

    def test_tests_and_indices(self, load_reference, load_data, missing, name):
        reference = load_reference(name)
        ours = sem.fit(
            reference["meta"]["model_syntax"], load_data("hs1939_missing"), kind="cfa", missing=missing
        )
        compared = 0
        for measure, value in reference["fit"].items():
            if measure in OTHER or value is None:
                continue
            allowed = FLAT if measure in ("chisq", "baseline.chisq", "logl", "aic") else INDEX
            assert ours.fit[measure] == pytest.approx(value, rel=allowed, abs=allowed), measure
            compared += 1
        assert compared >= 40

    def test_the_baseline_is_scaled_like_a_fit_of_the_baseline_model(
        self, load_reference, load_data, missing, name
    ):
        reference, frame = load_reference("twostage_baseline"), load_data("hs1939_missing")
        ours = sem.fit(load_reference(name)["meta"]["model_syntax"], frame, kind="cfa", missing=missing)
        factor = reference[missing]["chisq.scaling.factor"]
        assert ours.fit["baseline.chisq.scaling.factor"] == pytest.approx(factor, rel=1e-7)
        itself = sem.fit(reference["model"], frame, kind="cfa", missing=missing)
        assert itself.fit["chisq.scaling.factor"] == pytest.approx(factor, rel=1e-7)
        # lavaan's own baseline test of that very fit has another factor for the same model.
        assert abs(reference[missing]["baseline.chisq.scaling.factor"] - factor) > 0.2


def test_without_gaps_it_is_ml_and_satorra_bentler(hs, three_factors):
    """Without gaps H is complete information: two-stage is ML, robust two-stage is MLM with means."""
    ml = sem.fit(three_factors, hs, kind="cfa", meanstructure=True)
    plain = sem.fit(three_factors, hs, kind="cfa", missing="two.stage")
    for p, q in zip(ml.parameters, plain.parameters, strict=True):
        assert q.estimate == pytest.approx(p.estimate, abs=1e-7)
    assert plain.fit["chisq.scaling.factor"] == pytest.approx(1.0, abs=1e-9)
    robust = sem.fit(three_factors, hs, kind="cfa", missing="robust.two.stage")
    mlm = sem.fit(three_factors, hs, kind="cfa", estimator="MLM", meanstructure=True)
    # MLM takes W at the model, two-stage at the saturated moments; the model fits well enough to be near.
    assert robust.fit["chisq.scaling.factor"] == pytest.approx(mlm.fit["chisq.scaling.factor"], rel=0.03)


def test_groups_are_separate_fits_where_nothing_is_equal(load_data, three_factors):
    frame = load_data("hs1939_missing")
    together = sem.fit(three_factors, frame, kind="cfa", missing="two.stage", group="school")
    for label, rows in frame.groupby("school", sort=False):
        alone = sem.fit(three_factors, rows, kind="cfa", missing="two.stage")
        mine = [p for p in together.parameters if p.group_label == label]
        for p, q in zip(mine, alone.parameters, strict=True):
            assert p.estimate == pytest.approx(q.estimate, abs=1e-7)
            assert (p.std_error or 0.0) == pytest.approx(q.std_error or 0.0, abs=1e-7)


def test_nested_fits_are_compared_by_scaled_chi_squares(load_data, three_factors):
    frame = load_data("hs1939_missing")
    free = sem.fit(three_factors, frame, kind="cfa", missing="two.stage")
    bound = sem.fit(three_factors + "\nvisual ~~ 0*speed", frame, kind="cfa", missing="two.stage")
    found = sem.compare(free, bound)
    c = [f.fit["chisq.scaling.factor"] for f in (free, bound)]
    factor = 25 * c[1] - 24 * c[0]
    want = (bound.fit["chisq"] - free.fit["chisq"]) / factor
    assert found.chisq == pytest.approx(want, rel=1e-10)
    with pytest.raises(NotSupportedError, match=r"satorra\.bentler\.2001"):
        sem.compare(free, bound, method="satorra.bentler.2010")


def test_what_does_not_go_together_is_refused(hs, three_factors):
    with pytest.raises(UsageError, match="goes with estimator 'ML'"):
        sem.fit(three_factors, hs, missing="two.stage", estimator="MLR")
    with pytest.raises(UsageError, match="needs means"):
        sem.fit(three_factors, hs, missing="two.stage", meanstructure=False)


@pytest.mark.slow
def test_errors_match_the_spread_of_estimates():
    """A fifth of the answers missing at random, 300 seeded samples; the spread itself is known to 4 %."""
    rng = np.random.default_rng(12)
    estimates, errors = [], []
    for _ in range(300):
        f = rng.normal(size=(400, 1))
        frame = pd.DataFrame(f * [1.0, 0.8, 0.9, 0.7] + 0.8 * rng.normal(size=(400, 4)), columns=list("abcd"))
        chance = 0.6 / (1 + np.exp(-frame["a"].to_numpy()))
        for item in "bcd":
            frame[item] = frame[item].where(rng.random(400) >= chance)
        result = sem.fit("f =~ a + b + c + d", frame, missing="two.stage")
        free = [p for p in result.parameters if p.free]
        estimates.append([p.estimate for p in free])
        errors.append([p.std_error for p in free])
    ratio = np.mean(errors, axis=0) / np.std(estimates, axis=0, ddof=1)
    assert ratio.mean() == pytest.approx(1.0, abs=0.04)
