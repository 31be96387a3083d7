"""Seeded simulation: errors match the spread, tests hold their size, intervals cover.

``benchmarks/sem/coverage.py`` runs the same cells with thousands of samples, and ``coverage.json`` keeps what
it found. Here each claim is run with fewer, and held to its band widened by three Monte Carlo errors.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks" / "sem"
# What is left of a band's limit to chance.
ERRORS = 3.0
# Parts with the share of their samples that takes a minute or two.
SHARES = {"fiml": 0.1, "size": 0.08, "size_gaps": 0.1, "size_ordered": 0.12, "indirect": 0.2,
          "indirect_clusters": 0.2}  # fmt: skip
# The one test that rejects too often, which the documentation says: MLR's own, at 300 persons.
TOO_OFTEN = {"skewed, n = 300, MLR", "heavy, n = 300, MLR", "heavy, six items, n = 300, MLR",
             "heavy, six items, n = 300, MLR with FIML"}  # fmt: skip


@pytest.fixture(scope="module")
def coverage():
    """The simulation as a module."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location("sem_coverage", BENCHMARKS / "coverage.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(BENCHMARKS))


def outside(rows, *, errors):
    """Return the cells outside their band."""
    found = []
    for row in rows:
        if row["band"] is None or row["label"] in TOO_OFTEN:
            continue
        low, high = row["band"]
        if not low - errors * row["error"] <= row["value"] <= high + errors * row["error"]:
            found.append((row["label"], row["value"]))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("part", SHARES)
def test_a_part_of_the_evidence_again(coverage, part):
    rows = list(coverage.PARTS[part](SHARES[part]))
    assert rows
    assert not outside(rows, errors=ERRORS)


def test_the_kept_evidence_holds_its_bands():
    """Standard errors of full information at 20 % missing: every parameter between .97 and 1.03."""
    kept = json.loads((BENCHMARKS / "coverage.json").read_text(encoding="utf-8"))
    assert len(kept["fiml"]["rows"]) == 38
    assert max(row["error"] for row in kept["fiml"]["rows"]) <= 0.007
    for part, found in kept.items():
        assert not outside(found["rows"], errors=0.0 if part == "fiml" else 2.0), part


def test_the_error_of_a_ratio_is_its_spread_over_samples(coverage):
    """Mean standard error over spread: its Monte Carlo error by the delta method against many repetitions."""
    rng = np.random.default_rng(1)
    values, errors = [], []
    for _ in range(400):
        e = rng.normal(size=(300, 1))
        s = 1.0 + 0.1 * e**2 + 0.1 * rng.normal(size=(300, 1))
        value, error = coverage.ratios(e, s)
        values.append(value[0])
        errors.append(error[0])
    # The spread of 400 values is known to 3.5 %; three of those.
    assert np.std(values) == pytest.approx(np.mean(errors), rel=0.11)


def test_populations_are_what_they_say(coverage):
    rng = np.random.default_rng(3)
    drawn = coverage.pop.draw(rng, 200_000, "skewed")
    values = drawn.to_numpy()
    z = (values - values.mean(axis=0)) / values.std(axis=0)
    # Skewness 2 and excess kurtosis 7 (Curran, West & Finch 1996); sampling errors of 200,000 such answers.
    assert (z**3).mean() == pytest.approx(2.0, abs=0.1)
    assert (z**4).mean() - 3 == pytest.approx(7.0, abs=0.9)
    np.testing.assert_allclose(np.corrcoef(values.T), coverage.pop.correlations(3), atol=0.02)
    gaps = coverage.pop.with_gaps(rng, coverage.pop.six(rng, 100_000))
    assert gaps.isna().to_numpy().mean() == pytest.approx(0.2, abs=0.005)
