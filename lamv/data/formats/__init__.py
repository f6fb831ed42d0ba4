"""File formats of published data sets. No reader here unpacks to disk, or runs what it reads."""
