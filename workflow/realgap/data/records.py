"""What is known of an image of a user's own data set without its pixels, and of the data set that holds it."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from realgap.data import folders
from realgap.study import names

# text that stays in its line: no control characters, and no bytes that are no UTF-8; as the schema has names of classes
_PLAIN = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
LONGEST_CLASS = 200


@dataclass(frozen=True)
class Image:
    """One image of a data set, without its pixels."""

    name: str  # of the file below root; of a row of a file the file and the row
    class_name: str
    given: str  # the part that the data set itself puts it in: train, validation, test, or none ("")
    bytes: int
    sha256: str  # of the file or of what is in it; of a row of an array of its shape and pixels
    group: str = ""  # what it shares with others that must stand in one part: a patient, a site, a camera

    @property
    def content(self) -> int:
        """63 bits of its digest: two of a million images share one with a chance of 1 in 10 million."""
        return int(self.sha256[:16], 16) >> 1

    @property
    def unit(self) -> int:
        """What is put into one part: its group where it has one, else its content."""
        if not self.group:
            return self.content
        return int(hashlib.sha256(self.group.encode()).hexdigest()[:16], 16) >> 1

    @property
    def image_id(self) -> int:
        """63 bits of its class and digest: under two labels an image is two."""
        return int(hashlib.sha256(f"{self.class_name}/{self.sha256}".encode()).hexdigest()[:16], 16) >> 1


@dataclass(frozen=True)
class Inventory:
    """What a data set holds of some classes, and what was passed over."""

    classes: tuple[str, ...]
    images: tuple[Image, ...]
    unread: folders.Unread = field(default_factory=folders.Unread)


def check_classes(classes: list[str] | tuple[str, ...], there: list[str], must: str) -> None:
    """Raise ValueError for classes that are not there, with those that they may have been meant for, or odd names."""
    if missing := [name for name in classes if name not in set(there)]:
        raise ValueError(f"dataset.classes: {must}; none for {names.unknown(missing, there)}")
    if odd := [name for name in classes if len(name) > LONGEST_CLASS or not _PLAIN.fullmatch(name)]:
        raise ValueError(
            f"dataset.classes: must be names of at most {LONGEST_CLASS} characters, none of them a line end or another "
            f"control character; got {odd[0][:80]!r}"
        )


def check_names(images: Iterable[Image]) -> None:
    """Raise ValueError for a file or a row whose name is no text of one line: inventories and messages hold names."""
    if odd := next((image.name for image in images if not _PLAIN.fullmatch(image.name)), None):
        raise ValueError(
            "dataset.root: must hold files and rows whose names are text without line ends and other control "
            f"characters; got {odd[:80]!r}"
        )
