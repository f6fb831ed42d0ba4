"""What is done with trained models: evaluation, and tables and reports, which need no jax but only a run's files."""
