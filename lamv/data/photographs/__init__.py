"""Photographs in folders: what is there (folder), lists of it (metadata, listing), and their pixels (decode, cache)."""
