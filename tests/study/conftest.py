"""Study files as text, small enough to read beside the claim they test."""

from __future__ import annotations

from pathlib import Path

import pytest

SMALL = """\
study: {name: small, title: A small study}
tables:
  staff:
    person: id
    clusters:
      - {name: ward, variable: ward_id}
    sources:
      - {file: data/raw/staff.csv}
scales:
  stress: {items: [s1, s2], minimum: 1, maximum: 5}
questions:
  - {name: null-stress, type: null_model, outcome: stress, clusters: [ward]}
"""


@pytest.fixture
def small() -> str:
    return SMALL


@pytest.fixture
def repository() -> Path:
    return Path(__file__).resolve().parents[2]
