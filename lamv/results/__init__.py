"""From the files of workdirs to runs: read with care, as anything may have happened to them since. No jax."""
