"""Seeded simulation: the intervals of an indirect effect hold their level."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem

TRUTH = 0.16
SAMPLES = 400
# Coverage of .95 in 400 samples has a standard error of .011; three of them. benchmarks/sem/coverage.py
# asks for .93 to .97 in 1,000 samples.
BAND = 0.033


@pytest.mark.slow
def test_intervals_of_the_indirect_effect_cover_it():
    rng = np.random.default_rng(20261123)
    hits = np.zeros(4)
    for k in range(SAMPLES):
        x = rng.normal(size=200)
        m = 0.4 * x + rng.normal(size=200)
        frame = pd.DataFrame({"x": x, "m": m, "y": 0.4 * m + 0.1 * x + rng.normal(size=200)})
        result = sem.fit("m ~ a*x\ny ~ b*m + c*x\nind := a*b", frame)
        found = [result.parameters[-1], sem.monte_carlo(result, draws=5000, seed=k).effects[0]]
        for interval in ("percentile", "bca"):
            found.append(sem.bootstrap(result, draws=999, seed=k, interval=interval).parameters[-1])
        hits += [f.conf_low < TRUTH < f.conf_high for f in found]
    np.testing.assert_allclose(hits / SAMPLES, 0.95, atol=BAND)
