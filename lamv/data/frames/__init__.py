"""A table as inputs of a network: files, then what the columns hold, then inputs."""
