"""What would other samples have given: refits, bootstrap, wild bootstrap, permutation."""
