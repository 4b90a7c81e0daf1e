"""How fast the stages are, beside careful baselines written out plainly: `python -m tests.benchmarks --help`."""
