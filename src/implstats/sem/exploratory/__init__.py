"""Exploratory factor analysis: how many factors, which loadings, which rotation."""
