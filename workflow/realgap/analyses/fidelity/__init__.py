"""How far generated images are from real ones, and how much of them they cover."""
