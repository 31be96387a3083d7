"""From a formula and a frame to arrays: which rows, which columns, which clusters."""
