"""The Gaussian estimator: rows to moments, the profiled criterion with derivatives, the verified optimum."""
