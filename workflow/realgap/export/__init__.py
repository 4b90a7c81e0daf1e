"""Images of a study as files for other programs: layouts that others read, and a card that says what they are.

A layout takes the pictures of one shard after another, each encoded without loss, and leaves what is there already: an
export that was stopped goes on. It imports the library of its layout and nothing else of this project.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """An image as a file would hold it, and whose it is. label: the class's place among `class_names`."""

    name: str  # without suffix, of letters that any file system takes; unique in the export
    encoded: bytes
    class_name: str
    label: int
    source: str
    image_id: int  # of the real image that it is, or was made of
    variant: int
