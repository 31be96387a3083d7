"""The shipped instruments load, have the item counts of the literature and imply its degrees of freedom."""

from __future__ import annotations

from pathlib import Path

import pytest

from implstats.study.keys import load_instruments, resolve_scale
from implstats.study.models import Study

FOLDER = Path(__file__).parents[2] / "config" / "instruments"
INSTRUMENTS = load_instruments(FOLDER)

# Items and subscales as published; see each file's citation.
COUNTS = {
    "aim": (4, 0), "core-10": (10, 0), "core-om": (34, 4), "csat": (35, 7), "ebpas-15": (15, 4),
    "fim": (4, 0), "gse": (10, 0), "iam": (4, 0), "icbs": (6, 2), "ics": (18, 6), "ics-r": (14, 5),
    "ils": (12, 4),
    "jss": (36, 9), "nomad": (20, 4), "oric": (12, 2), "ors": (4, 0), "psat": (40, 8), "uwes-9": (9, 3),
    "warr-cook-wall": (15, 2),
}  # fmt: skip
# Degrees of freedom of the factor models with correlated factors and with one, no residual covariances.
DEGREES = {
    "ils": (48, 54), "ics": (120, 135), "ics-r": (67, 77), "ebpas-15": (84, 90), "icbs": (8, 9),
    "oric": (53, 54), "nomad": (164, 170), "uwes-9": (24, 27), "jss": (558, 594), "psat": (712, 740),
    "csat": (539, 560), "gse": (35, 35), "ors": (2, 2), "warr-cook-wall": (89, 90),
}  # fmt: skip
SEEN = {"ils", "core-10", "ors", "gse", "psat", "csat"}


def key_of(name):
    study = Study.model_validate({
        "study": {"name": "s", "title": "S"}, "tables": {"t": {"sources": [{"file": "a.csv"}]}},
        "scales": {"x": {"instrument": name, "prefix": "i"}},
    })  # fmt: skip
    return resolve_scale(study, "x", INSTRUMENTS)


def degrees_of_freedom(n_items, n_factors):
    moments = n_items * (n_items + 1) // 2
    return moments - 2 * n_items - n_factors * (n_factors - 1) // 2


def test_exactly_these_instruments_are_shipped():
    assert set(INSTRUMENTS) == set(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name):
    key = key_of(name)
    assert (len(key.items), len(key.subscales)) == COUNTS[name]
    assert sum(len(items) for _, items in key.subscales) in (0, len(key.items))
    assert key.reverse <= set(key.items)
    assert key.reverse_total <= set(key.items)


@pytest.mark.parametrize("name", DEGREES)
def test_degrees_of_freedom_of_the_factor_models(name):
    key = key_of(name)
    n_items, n_factors = len(key.items), max(len(key.subscales), 1)
    assert degrees_of_freedom(n_items, n_factors) == DEGREES[name][0]
    assert degrees_of_freedom(n_items, 1) == DEGREES[name][1]


def test_the_three_weiner_scales_together_have_51_degrees_of_freedom():
    assert degrees_of_freedom(sum(len(key_of(name).items) for name in ("aim", "iam", "fim")), 3) == 51


@pytest.mark.parametrize("name", COUNTS)
def test_only_keys_that_were_seen_are_called_verified(name):
    instrument = INSTRUMENTS[name]
    assert instrument.verified == (name in SEEN)
    assert bool(instrument.verified_by) == instrument.verified


def test_every_subscale_can_be_scored_alone():
    for name, instrument in INSTRUMENTS.items():
        for subscale in instrument.subscales:
            study = Study.model_validate({
                "study": {"name": "s", "title": "S"}, "tables": {"t": {"sources": [{"file": "a.csv"}]}},
                "scales": {"x": {"instrument": name, "prefix": "i", "subscale": subscale}},
            })  # fmt: skip
            key = resolve_scale(study, "x", INSTRUMENTS)
            assert 1 <= key.min_valid <= len(key.items)


def test_jss_reverses_nineteen_items_and_core_om_eight():
    assert len(INSTRUMENTS["jss"].reverse) == 19
    assert len(INSTRUMENTS["core-om"].reverse) == 8


def test_the_template_is_an_instrument(tmp_path):
    text = (FOLDER / "template.yaml.example").read_text(encoding="utf-8")
    (tmp_path / "my-instrument.yaml").write_text(text, encoding="utf-8")
    commented_in = text.replace("# reverse_total", "reverse_total").replace("# min_valid", "min_valid")
    assert load_instruments(tmp_path)["my-instrument"].reverse_total == []
    (tmp_path / "my-instrument.yaml").write_text(commented_in, encoding="utf-8")
    loaded = load_instruments(tmp_path)["my-instrument"]
    assert (loaded.reverse_total, loaded.min_valid, loaded.min_valid_subscale) == ([5], 4, 2)


def test_files_hold_numbers_not_texts_of_items():
    for path in FOLDER.glob("*.yaml"):
        text = path.read_text(encoding="utf-8").casefold()
        assert not any(
            phrase in text for phrase in ("i feel ", "i have ", "my supervisor", "my leader", "i am ")
        )


def test_no_proprietary_instrument_is_shipped():
    assert not [p.name for p in FOLDER.iterdir() if "mlq" in p.name or "srs" in p.name or "cors" in p.name]
