"""Names of later steps are loaded when first asked for, and every one of them is there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from implstats import sem

FITS_ONLY = """
import sys
from implstats import sem
assert sem.fit.__module__ == "implstats.sem.fit"
print([name for name in sys.modules if name.startswith(("implstats.sem.after", "implstats.sem.exploratory"))])
"""


@pytest.mark.parametrize("name", sem.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(sem, name).__name__ == name


def test_the_package_says_where_each_name_stands() -> None:
    listed = [name for names in sem._LATER.values() for name in names]
    assert sorted(listed) == sorted(set(listed))
    assert set(listed) <= set(sem.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        sem.fitt  # noqa: B018


def test_a_fit_loads_nothing_of_what_follows_from_it() -> None:
    done = subprocess.run([sys.executable, "-c", FITS_ONLY], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
