"""What follows from a fit: comparisons of nested models, the ladder of invariance."""
