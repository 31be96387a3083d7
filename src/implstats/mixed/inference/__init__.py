"""Standard errors, degrees of freedom, tests and intervals of a fitted model."""
