"""Residuals of one person over waves: autoregressive, a variance for each wave, unstructured."""
