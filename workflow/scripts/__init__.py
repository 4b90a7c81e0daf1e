"""The steps of the workflow: one verb, one file, run as `python -m scripts.<verb>`."""
