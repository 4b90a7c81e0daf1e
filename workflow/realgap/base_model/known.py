"""What is known of base models beyond their files."""

from pathlib import Path

# the shipped miniatures, by the names of their folders (workflow/docs/base-models.md)
TRAINED_ON = {"mini-sd-digits": "typeset digits", "mini-sd-natural": "photographs of 32 px"}


def trained_on(folder: str | Path) -> str | None:
    """What a base model has seen, in words; None where this project does not know."""
    return TRAINED_ON.get(Path(folder).name)
