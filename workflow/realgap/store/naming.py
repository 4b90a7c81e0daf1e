"""Which number stands for which class: written into every file of a study, and compared wherever two of them meet."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from realgap.store import files

KEY = "class_labels"  # of a file's attributes: {name: label} of the classes of its rows


_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def folder(class_name: str) -> str:
    """What a class's files are called: its name, or, for a name that is no file's, its letters and a digest of it."""
    if _PLAIN.fullmatch(class_name):
        return class_name
    letters = "".join(one if one.isascii() and one.isalnum() else "_" for one in class_name)[:40]
    return f"{letters}-{hashlib.sha256(class_name.encode()).hexdigest()[:8]}".lstrip("_-")


def joint(made: Mapping[Any, Mapping[str, Any]]) -> dict[str, int]:
    """The label of each class in all of these files, in the order of labels; made: path -> attributes.

    Raises ValueError naming the file in which a class has another label, or a label another class, than in one before.
    """
    label_of: dict[str, int] = {}
    name_of: dict[int, tuple[str, Any]] = {}
    for path, attributes in made.items():
        for name, label in attributes.get(KEY, {}).items():
            first = name_of.setdefault(label, (name, path))
            if first[0] != name:
                raise ValueError(_clash(path, f"label {label} is {name}, and {first[0]} in {first[1]}"))
            if label_of.setdefault(name, label) != label:
                raise ValueError(_clash(path, f"{name} is label {label}, and {label_of[name]} elsewhere"))
    return dict(sorted(label_of.items(), key=lambda item: item[1]))


def carried(*made: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """What a file that is made of others says of its classes, among its attributes; made: theirs. Raises as `joint`."""
    known = joint(dict(enumerate(made)))
    return {KEY: known} if known else {}


def positions(labels: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """Where each of labels (n,) stands among `classes`, ascending: int64 (n,). ValueError for a label that does not."""
    if strange := set(np.unique(labels).tolist()) - set(classes):
        raise ValueError(f"must know all classes, label {min(strange)} is new to it")
    return np.searchsorted(classes, labels)


def names(made: Mapping[Any, Mapping[str, Any]]) -> list[str]:
    """Names of the classes of these files in the order of their labels, which is that of logits. Raises as `joint`."""
    return list(joint(made))


def _clash(path: Any, what: str) -> str:
    return f"{path}: must give each class the label that the study's other files give it; {what}; {files.make_again()}"
