"""Linear mixed models with nested random effects, by REML or ML.

>>> from implstats import mixed
>>> mixed.fit  # doctest: +ELLIPSIS
<function fit at ...>
"""

from implstats.mixed.after.conditional import ConditionalModes, conditional_modes
from implstats.mixed.after.predict import Prediction, predict
from implstats.mixed.fit import fit
from implstats.mixed.inference.contrasts import Contrast, Contrasts, FTest, FTests, contrast, f_tests
from implstats.mixed.results import FixedEffect, LevelModes, MixedResult, Optimiser, RandomEffect

__all__ = [
    "ConditionalModes",
    "Contrast",
    "Contrasts",
    "FTest",
    "FTests",
    "FixedEffect",
    "LevelModes",
    "MixedResult",
    "Optimiser",
    "Prediction",
    "RandomEffect",
    "conditional_modes",
    "contrast",
    "f_tests",
    "fit",
    "predict",
]
