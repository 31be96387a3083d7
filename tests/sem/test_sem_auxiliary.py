"""Auxiliary variables under full information: semTools' saturated correlates and its baseline."""

from __future__ import annotations

import numpy as np
import pytest

from implstats import sem
from implstats.errors import UsageError

# lavaan's FIML fits stop within 2.5e-6 of the optimum; probabilities are the steepest functions of it.
ESTIMATE = 2e-5
INDEX = 1e-5
# lavaan takes GFI from pairwise moments; ours are the maximum likelihood moments (docs/methods/sem.md).
OTHER = {"gfi", "agfi", "pgfi"}
# Robust RMSEA agrees; semTools' robust CFI mixes two baselines (.9439), as test_sem_fiml_robust.py shows.
OWN_BASELINE = {"cfi.robust", "tli.robust", "nnfi.robust", "rni.robust"}


@pytest.fixture
def frame(load_reference, load_data):
    return load_data("hs1939_missing").assign(ageyr=load_reference("hs1939_ageyr")["ageyr"])


@pytest.fixture
def fitted(frame, three_factors):
    return sem.fit(three_factors, frame, kind="cfa", missing="fiml", auxiliary=["ageyr"])


def key(lhs, op, rhs):
    return (op, *sorted((lhs, rhs))) if op == "~~" else (op, lhs, rhs)


def test_parameters_are_semtools(load_reference, fitted):
    theirs = load_reference("fiml_hs_aux_ageyr")["parameters"]
    place = {key(*k): i for i, k in enumerate(zip(theirs["lhs"], theirs["op"], theirs["rhs"], strict=True))}
    assert len(fitted.parameters) == len(place) == 47
    for p in fitted.parameters:
        i = place[key(p.lhs, p.op, p.rhs)]
        assert p.estimate == pytest.approx(theirs["est"][i], abs=ESTIMATE), p.name
        assert (p.std_error or 0.0) == pytest.approx(theirs["se"][i], abs=ESTIMATE), p.name


def test_fit_measures_are_semtools(load_reference, fitted):
    reference = load_reference("fiml_hs_aux_ageyr")
    assert fitted.n_free == reference["npar"] == 41
    compared = 0
    for measure, value in reference["fit"].items():
        if measure in OTHER | OWN_BASELINE or value is None:
            continue
        assert fitted.fit[measure] == pytest.approx(value, rel=INDEX, abs=INDEX), measure
        compared += 1
    assert compared >= 40
    assert fitted.fit["baseline.df"] == 36


def test_robust_cfi_is_made_of_robust_rmseas_of_model_and_baseline(frame, fitted):
    """X - c d is n d times the square of robust RMSEA, of the model and of the baseline fitted as a model."""
    baseline = "\n".join(f"x{k} ~~ x{k}" for k in range(1, 10))
    itself = sem.fit(baseline, frame, kind="cfa", missing="fiml", auxiliary=["ageyr"])
    assert itself.fit["chisq"] == pytest.approx(fitted.fit["baseline.chisq"], rel=1e-9)
    excess = [f.fit["df"] * f.fit["rmsea.robust"] ** 2 for f in (fitted, itself)]
    assert fitted.fit["cfi.robust"] == pytest.approx(1 - excess[0] / excess[1], rel=1e-7)


def test_degrees_of_freedom_stay_and_complete_data_do_not_change(hs, three_factors):
    """Without gaps saturated correlates tell nothing about the model."""
    alone = sem.fit(three_factors, hs, kind="cfa", missing="fiml")
    frame = hs.assign(a=np.random.default_rng(1).normal(size=len(hs)) + hs["x1"], b=hs["x2"] * hs["x4"])
    with_two = sem.fit(three_factors, frame, kind="cfa", missing="fiml", auxiliary=["a", "b"])
    for p, q in zip(alone.parameters[:6], with_two.parameters[:6], strict=True):
        assert q.estimate == pytest.approx(p.estimate, abs=1e-7)
    for measure in ("chisq", "df", "baseline.chisq", "baseline.df", "cfi", "tli", "rmsea"):
        assert with_two.fit[measure] == pytest.approx(alone.fit[measure], rel=1e-7), measure


def test_predictors_and_paths_take_auxiliary_variables_too(mediation):
    gaps = mediation.assign(Y=mediation["Y"].where(mediation["M2"] < 1.0))
    model = "M1 ~ a*X + C\nY ~ b*M1 + X + C"
    alone = sem.fit(model, gaps, missing="fiml")
    helped = sem.fit(model, gaps, missing="fiml", auxiliary=["M2"])
    assert helped.verdict != "failed"
    assert helped.fit["df"] == alone.fit["df"] == 0
    b = [next(p.std_error for p in r.parameters if p.label == "b") for r in (alone, helped)]
    assert b[1] != pytest.approx(b[0], rel=1e-6)


def test_what_makes_no_sense_is_refused(frame, three_factors):
    with pytest.raises(UsageError, match="stands in the model"):
        sem.fit(three_factors, frame, missing="fiml", auxiliary=["x1"])
    with pytest.raises(UsageError, match="Take missing 'fiml'"):
        sem.fit(three_factors, frame, auxiliary=["ageyr"])
