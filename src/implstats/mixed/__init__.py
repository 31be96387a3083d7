"""Linear mixed models with nested random effects, by REML or ML.

>>> from implstats import mixed
>>> mixed.fit  # doctest: +ELLIPSIS
<function fit at ...>
"""

from implstats.mixed.fit import fit
from implstats.mixed.inference.contrasts import Contrast, Contrasts, FTest, FTests, contrast, f_tests
from implstats.mixed.results import FixedEffect, LevelModes, MixedResult, Optimiser, RandomEffect

__all__ = [
    "Contrast",
    "Contrasts",
    "FTest",
    "FTests",
    "FixedEffect",
    "LevelModes",
    "MixedResult",
    "Optimiser",
    "RandomEffect",
    "contrast",
    "f_tests",
    "fit",
]
