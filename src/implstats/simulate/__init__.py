"""Synthetic studies with known population values: what the pipeline should find is planted beforehand."""

from implstats.simulate.study import DEFAULT_SEED, Design, SyntheticStudy, simulate_study
from implstats.simulate.write import write_study

__all__ = ["DEFAULT_SEED", "Design", "SyntheticStudy", "simulate_study", "write_study"]
