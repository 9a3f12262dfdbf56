"""photofix: restore photos with neural networks."""
