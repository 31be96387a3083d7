"""What follows from a fit: prediction, conditional modes, marginal means, effects, shares of variance."""
