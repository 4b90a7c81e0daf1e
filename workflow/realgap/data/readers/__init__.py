"""How a user's own data sets are read (registry.py: which there are)."""
