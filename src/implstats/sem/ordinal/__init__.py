"""Ordered answers as cut normal variables: thresholds, polychoric and polyserial correlations."""
