"""Structural equation models in lavaan's language, by our own maximum likelihood.

>>> import pandas as pd
>>> frame = pd.DataFrame({"x": [1.0, 2, 3, 4, 5, 6], "y": [1.0, 3, 2, 5, 4, 6]})
>>> fit("y ~ x", frame).n_obs
6
"""

from importlib import import_module
from typing import TYPE_CHECKING

from implstats.sem.fit import fit
from implstats.sem.language.syntax import ModelTextError
from implstats.sem.model_table import ModelTable, TableRow, model_table
from implstats.sem.results import ModelMoments, OptimiserRecord, Parameter, SemResult

if TYPE_CHECKING:
    from implstats.sem.after.compare import Difference, compare
    from implstats.sem.after.factor_scores import Determinacy, FactorScores, factor_scores
    from implstats.sem.after.invariance import InvarianceLadder, InvarianceStep, invariance
    from implstats.sem.after.longitudinal import longitudinal_invariance, longitudinal_model
    from implstats.sem.after.modification import (
        ModificationIndex,
        ModificationIndices,
        modification_indices,
    )
    from implstats.sem.after.multilevel_reliability import (
        MultilevelCoefficient,
        MultilevelReliability,
        multilevel_reliability,
    )
    from implstats.sem.after.reliability import FactorReliability, Reliability, reliability
    from implstats.sem.after.residual_summary import ResidualSummary
    from implstats.sem.after.residuals import Residual, Residuals, residuals
    from implstats.sem.after.score_tests import ScoreTest, ScoreTests, score_tests
    from implstats.sem.after.standardised import (
        StandardisedParameter,
        StandardisedSolution,
        standardised,
    )
    from implstats.sem.after.wald_test import WaldTest, wald_test
    from implstats.sem.exploratory.explore import Exploration, explore, number_of_factors
    from implstats.sem.exploratory.retain import Retention
    from implstats.sem.resampling.bollen_stine import BollenStine, bollen_stine
    from implstats.sem.resampling.bootstrap import Bootstrap, BootstrapParameter, bootstrap
    from implstats.sem.resampling.monte_carlo import MonteCarlo, MonteCarloEffect, monte_carlo
    from implstats.sem.two_level import fit_two_level
    from implstats.sem.two_level_record import LevelSolution, TwoLevelResult

# What follows from a fit is loaded when it is first asked for: most processes fit and ask for little else.
_LATER = {
    "after.compare": ("Difference", "compare"),
    "after.factor_scores": ("Determinacy", "FactorScores", "factor_scores"),
    "after.invariance": ("InvarianceLadder", "InvarianceStep", "invariance"),
    "after.longitudinal": ("longitudinal_invariance", "longitudinal_model"),
    "after.modification": ("ModificationIndex", "ModificationIndices", "modification_indices"),
    "after.multilevel_reliability": (
        "MultilevelCoefficient",
        "MultilevelReliability",
        "multilevel_reliability",
    ),
    "after.reliability": ("FactorReliability", "Reliability", "reliability"),
    "after.residual_summary": ("ResidualSummary",),
    "after.residuals": ("Residual", "Residuals", "residuals"),
    "after.score_tests": ("ScoreTest", "ScoreTests", "score_tests"),
    "after.standardised": ("StandardisedParameter", "StandardisedSolution", "standardised"),
    "after.wald_test": ("WaldTest", "wald_test"),
    "exploratory.explore": ("Exploration", "explore", "number_of_factors"),
    "exploratory.retain": ("Retention",),
    "resampling.bollen_stine": ("BollenStine", "bollen_stine"),
    "resampling.bootstrap": ("Bootstrap", "BootstrapParameter", "bootstrap"),
    "resampling.monte_carlo": ("MonteCarlo", "MonteCarloEffect", "monte_carlo"),
    "two_level": ("fit_two_level",),
    "two_level_record": ("LevelSolution", "TwoLevelResult"),
}

__all__ = [
    "BollenStine",
    "Bootstrap",
    "BootstrapParameter",
    "Determinacy",
    "Difference",
    "Exploration",
    "FactorReliability",
    "FactorScores",
    "InvarianceLadder",
    "InvarianceStep",
    "LevelSolution",
    "ModelMoments",
    "ModelTable",
    "ModelTextError",
    "ModificationIndex",
    "ModificationIndices",
    "MonteCarlo",
    "MonteCarloEffect",
    "MultilevelCoefficient",
    "MultilevelReliability",
    "OptimiserRecord",
    "Parameter",
    "Reliability",
    "Residual",
    "ResidualSummary",
    "Residuals",
    "Retention",
    "ScoreTest",
    "ScoreTests",
    "SemResult",
    "StandardisedParameter",
    "StandardisedSolution",
    "TableRow",
    "TwoLevelResult",
    "WaldTest",
    "bollen_stine",
    "bootstrap",
    "compare",
    "explore",
    "factor_scores",
    "fit",
    "fit_two_level",
    "invariance",
    "longitudinal_invariance",
    "longitudinal_model",
    "model_table",
    "modification_indices",
    "monte_carlo",
    "multilevel_reliability",
    "number_of_factors",
    "reliability",
    "residuals",
    "score_tests",
    "standardised",
    "wald_test",
]


def __getattr__(name: str) -> object:
    """Load a name of a later step from its file (PEP 562)."""
    home = next((module for module, names in _LATER.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
