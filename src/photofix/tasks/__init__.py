"""Tasks: one a file, readable alone. Photo and model in, Photo out."""
