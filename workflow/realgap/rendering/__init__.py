"""Rendered scenes with known camera and light: the measuring stick of the geometry tools."""
