"""What is run from the command line: python -m experiments.train, .evaluate, .report, .theory."""
