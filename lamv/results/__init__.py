"""Files of workdirs to runs. No jax."""
