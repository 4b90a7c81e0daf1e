"""Accuracy against the number of generated images."""
