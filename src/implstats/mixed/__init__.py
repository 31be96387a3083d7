"""Linear mixed models with nested random effects, by REML or ML.

>>> from implstats import mixed
>>> mixed.fit  # doctest: +ELLIPSIS
<function fit at ...>
"""

from implstats.mixed.after.collinearity import Collinearity, collinearity
from implstats.mixed.after.conditional import ConditionalModes, conditional_modes
from implstats.mixed.after.contrasts import MeanContrast, MeanContrasts, contrasts
from implstats.mixed.after.diagnostics import mode_scores, residuals
from implstats.mixed.after.effect_size import effect_size
from implstats.mixed.after.influence import Influence, influence
from implstats.mixed.after.means import MarginalMean, MarginalMeans, emmeans
from implstats.mixed.after.predict import Prediction, predict
from implstats.mixed.after.records import EffectSize, EffectSizes
from implstats.mixed.after.shares import R2, Iccs, LevelIcc, icc, r2
from implstats.mixed.after.shares_by_level import R2ByLevel, r2_by_level
from implstats.mixed.after.standardised import StandardisedCoefficients, standardised_coefficients
from implstats.mixed.fit import fit
from implstats.mixed.inference.contrasts import Contrast, Contrasts, FTest, FTests, contrast, f_tests
from implstats.mixed.inference.generalised_contrasts import WaldContrasts, WaldTest
from implstats.mixed.inference.generalised_ratios import Ratio, Ratios, ratios
from implstats.mixed.inference.icc_intervals import IccInterval, IccIntervals, icc_intervals
from implstats.mixed.inference.likelihood_ratio import ComparedModel, Comparison, compare
from implstats.mixed.inference.profile import Profile, ProfileInterval, profile
from implstats.mixed.inference.random_tests import RandomTest, RandomTests, random_tests
from implstats.mixed.resampling.bootstrap import Bootstrap, BootstrapEstimate, bootstrap
from implstats.mixed.resampling.bootstrap_compare import BootstrapComparison, bootstrap_compare
from implstats.mixed.resampling.permutation import Permutation, permutation
from implstats.mixed.resampling.records import Refits
from implstats.mixed.resampling.refit import refit
from implstats.mixed.resampling.wild import WildBootstrap, wild_bootstrap
from implstats.mixed.results import FixedEffect, LevelModes, MixedResult, Optimiser, RandomEffect

__all__ = [
    "R2",
    "Bootstrap",
    "BootstrapComparison",
    "BootstrapEstimate",
    "Collinearity",
    "ComparedModel",
    "Comparison",
    "ConditionalModes",
    "Contrast",
    "Contrasts",
    "EffectSize",
    "EffectSizes",
    "FTest",
    "FTests",
    "FixedEffect",
    "IccInterval",
    "IccIntervals",
    "Iccs",
    "Influence",
    "LevelIcc",
    "LevelModes",
    "MarginalMean",
    "MarginalMeans",
    "MeanContrast",
    "MeanContrasts",
    "MixedResult",
    "Optimiser",
    "Permutation",
    "Prediction",
    "Profile",
    "ProfileInterval",
    "R2ByLevel",
    "RandomEffect",
    "RandomTest",
    "RandomTests",
    "Ratio",
    "Ratios",
    "Refits",
    "StandardisedCoefficients",
    "WaldContrasts",
    "WaldTest",
    "WildBootstrap",
    "bootstrap",
    "bootstrap_compare",
    "collinearity",
    "compare",
    "conditional_modes",
    "contrast",
    "contrasts",
    "effect_size",
    "emmeans",
    "f_tests",
    "fit",
    "icc",
    "icc_intervals",
    "influence",
    "mode_scores",
    "permutation",
    "predict",
    "profile",
    "r2",
    "r2_by_level",
    "random_tests",
    "ratios",
    "refit",
    "residuals",
    "standardised_coefficients",
    "wild_bootstrap",
]
