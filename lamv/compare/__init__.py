"""Runs compared: baselines, differences, intervals, cohorts, grids, doses. No jax, no matplotlib."""
