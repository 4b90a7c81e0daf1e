"""Analyses: what is asked of a study's results. Each is a folder with all that is about it.

`__init__` registers it and imports the standard library alone, since Snakemake reads it before anything runs:

- TITLE: the heading of its section on a page.
- SETTINGS: the keys of its section of the config, each as JSON schema; left out where it has none.
- check(config): raises ValueError, one line, where this study cannot have it; left out where every study can.

Beside it `rules.smk` ends in a rule that writes sections/<name>.json, `measures.py` takes arrays, `section.py` has the
tables and the sentences, `figures.py` the figures. An analysis may use another's measures and imports no page.
"""

from importlib import import_module
from types import ModuleType

# their order on the page of a study and on that of several
ORDER = (
    "pilot",
    "saliency",
    "fidelity",
    "detection",
    "memorisation",
    "audit",
    "errors",
    "selection",
    "learning_curves",
    "scaling",
    "transfer",
    "geometry",
    "reported",
)

# those that may be asked for by name where a study does not list them
BY_NAME = ("pilot",)


def registered() -> dict[str, ModuleType]:
    """name -> its package, in ORDER."""
    return {name: import_module(f"{__name__}.{name}") for name in ORDER}
