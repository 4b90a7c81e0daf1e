"""realgap: why images made by a diffusion model are worse training data than real ones, and closing that gap."""
