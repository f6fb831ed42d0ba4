"""What is done with trained models: tables and reports. Nothing here needs jax, only the files that runs left."""
