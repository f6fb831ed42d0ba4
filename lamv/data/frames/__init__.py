"""A table as inputs of a network: frame (the file), columns (what they hold), inputs."""
