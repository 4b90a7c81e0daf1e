"""The steps of the workflow: one file each, run as `python -m scripts.<topic>_<verb>`."""
