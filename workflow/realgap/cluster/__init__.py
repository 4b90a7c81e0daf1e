"""Clusters: what SLURM says of itself, how jobs reach it, what a site's own file says."""
