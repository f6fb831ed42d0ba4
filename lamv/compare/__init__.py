"""From runs to what they say next to each other: groups of rows, differences, grids, doses. No jax, no matplotlib."""
