"""Files at rest: whole or not at all, with what made them. Imports numpy and h5py, no torch."""
