"""Reading a residual structure: ``ar1(wave | person)``.

    ident(wave | person)       a variance for each wave, waves uncorrelated given the random effects
    ar1(wave | person)         correlation rho^d between waves d apart, one variance
    ar1ident(wave | person)    both: rho^d and a variance for each wave
    un(wave | person)          any covariance matrix over waves (unstructured; the MMRM)

``person`` may be ``a/b`` or ``a:b``, persons b numbered anew within each a.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from implstats.errors import UsageError, did_you_mean

KINDS = ("ar1", "ident", "ar1ident", "un")
OTHER_NAMES = {
    "corar1": "ar1", "ar1h": "ar1ident", "arh1": "ar1ident", "varident": "ident", "diag": "ident",
    "us": "un", "corsymm": "un", "unstructured": "un",
}  # fmt: skip
EXAMPLE = "Write it as in residual='ar1(wave | person)'."


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualTerm:
    """A residual structure as asked for: its kind, the wave's column, the columns that make the person."""

    kind: str
    wave: str
    person: tuple[str, ...]

    @property
    def text(self) -> str:
        """The structure in its plain spelling."""
        return f"{self.kind}({self.wave} | {':'.join(self.person)})"

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that it needs."""
        return (self.wave, *self.person)


def read_residual(text: object) -> ResidualTerm:
    """Return the structure that a text means.

    Raises
    ------
    UsageError
        It cannot be read, or its kind is not known.

    Examples
    --------
    >>> read_residual("ar1(wave | clinic/person)")
    ResidualTerm(kind='ar1', wave='wave', person=('person', 'clinic'))
    """
    if not isinstance(text, str):
        raise UsageError(f"residual is a text; got {type(text).__name__}. {EXAMPLE}")
    found = re.fullmatch(r"\s*([A-Za-z]\w*)\s*\(([^()|]*)\|([^()|]*)\)\s*", text)
    if found is None:
        both = " For both, write ar1ident(wave | person)." if "+" in text else ""
        raise UsageError(f"The residual structure '{text.strip()}' cannot be read.{both} {EXAMPLE}")
    kind, wave, person = found.group(1), _name(found.group(2)), found.group(3)
    if kind not in KINDS:
        known = OTHER_NAMES.get(kind.lower())
        meant = f"; did you mean '{known}'?" if known else did_you_mean(kind, KINDS)
        raise UsageError(f"A residual structure is one of {', '.join(KINDS)}; got '{kind}'{meant}")
    columns = tuple(_name(part) for part in re.split(r"[/:]", person))
    if not wave or not all(columns):
        raise UsageError(f"The residual structure '{text.strip()}' lacks a name. {EXAMPLE}")
    if wave in columns:
        raise UsageError(f"'{wave}' stands on both sides of '|' in '{text.strip()}'. {EXAMPLE}")
    return ResidualTerm(kind=kind, wave=wave, person=columns[::-1] if "/" in person else columns)


def _name(text: str) -> str:
    return text.strip().strip("`").strip()
