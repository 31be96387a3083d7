"""What takes the place of a fit's sums over clusters where the residuals have a structure.

Questions that rebuild a model from those sums would leave the residual structure out. They are refused here,
whoever asks.
"""

from __future__ import annotations

from typing import Any

from implstats.errors import NotSupportedError
from implstats.mixed.gaussian.reduce import ClusterSums


class NoSums(ClusterSums):
    """Sums that do not exist: any use of them is refused with a sentence."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        object.__setattr__(self, "_text", text)

    def __repr__(self) -> str:
        return f"NoSums({self._text!r})"

    def __getattribute__(self, name: str) -> Any:
        if name in ClusterSums.__slots__:
            text = object.__getattribute__(self, "_text")
            raise NotSupportedError(
                f"This is not computed for a model with the residual structure {text} in this version. "
                "Tests, contrasts and marginal means are; for the rest, refit with a random slope of the "
                "wave instead."
            )
        return object.__getattribute__(self, name)
