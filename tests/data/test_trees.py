"""Trees of folders as users and systems leave them: what is read is what a second, plain walk finds, or one line."""

import hashlib
import io
import os
import random
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from realgap.data import inventory, own

PIXELS = [np.random.default_rng(number).integers(0, 256, (3, 2 + number, 3), np.uint8) for number in range(6)]


def encoded(pixels, kind):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


# two files with the same pixels are two contents of one look; the last is no picture, whatever it is called
CONTENTS = [*(encoded(one, "PNG") for one in PIXELS), encoded(PIXELS[0], "BMP"), b"no picture"]
LOOKS = dict(zip((hashlib.sha256(one).hexdigest() for one in CONTENTS), [*PIXELS, PIXELS[0]], strict=False))

CLASSES = ["cat", "dog", "große Eins", "a b", "{x}", "e\u0301", "\u00e9", "a,b", 'a"b', "-x", "@x", "~x", "%s", "test"]
ODD_CLASSES = ["line\nend", "tab\t", "\udcff", "esc\x1b[2J", "x" * 201]
STEMS = [
    "a",
    "d",
    "e",
    "f",
    "b",
    "c",
    "ß ü",
    "{0}",
    "a b",
    "-x",
    "@y",
    "a,b",
    'a"b',
    "a\nb",
    ".a",
    "._a",
    "Thumbs",
    "#a",
]
SUFFIXES = [".png", ".PNG", ".jpg", ".jfif", ".pgm", ".avif", ".tif", "", ".txt", ".db", ".heic", ".png.part", ".gz"]
KNOWN = (".png", ".jpg", ".jfif", ".pgm", ".avif", ".tif")
SYSTEM = [".ipynb_checkpoints", "__MACOSX", "@eaDir", ".git", "#recycle"]
TARGETS = [
    ".",
    "..",
    "../..",
    "../../..",
    "nowhere",
    "self",
    "../cat",
    "../dog",
    "../../train/cat",
    "a.png",
    "elsewhere",
]

file_names = st.builds("{}{}".format, st.sampled_from(STEMS), st.sampled_from(SUFFIXES))
files_of = st.tuples(st.just("file"), st.sampled_from(range(len(CONTENTS))))
links = st.tuples(st.just("link"), st.sampled_from(TARGETS))
others = files_of | files_of | links | st.just(("pipe", None))
folder_names = st.sampled_from([*SYSTEM, "more", "x.png", "cat"])
names = file_names | st.sampled_from(["Thumbs.db", "desktop.ini", "Icon\r", ".DS_Store", "back", "b.png"])
content = st.recursive(
    st.dictionaries(names, others, max_size=5),
    lambda inner: st.dictionaries(
        names | folder_names, others | st.tuples(st.just("folder"), inner), min_size=1, max_size=5
    ),
    max_leaves=4,
)
class_entry = st.tuples(st.just("folder"), content) | links
plenty = st.dictionaries(file_names, files_of, min_size=3, max_size=8)
classes_of = st.builds(
    lambda whole, odd: {**odd, **{name: ("folder", inner) for name, inner in whole.items()}},
    st.dictionaries(st.sampled_from(CLASSES[:3]), plenty, max_size=3),
    st.dictionaries(
        st.sampled_from([*CLASSES, *SYSTEM, *ODD_CLASSES, "loose.png"]), class_entry | files_of, max_size=2
    ),
)
trees = classes_of | st.dictionaries(
    st.sampled_from(["train", "test", "val", "validation", "cat", "__MACOSX"]),
    st.tuples(st.just("folder"), classes_of) | links,
    max_size=4,
)


def grow(folder, entries, elsewhere):
    """A drawn tree on the disk; what the system would not have is left out."""
    folder.mkdir(exist_ok=True)
    for name, (kind, of) in entries.items():
        path = folder / name
        if kind == "folder":
            grow(path, of, elsewhere)
        elif kind == "file":
            path.write_bytes(CONTENTS[of])
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to({"self": name, "elsewhere": str(elsewhere)}.get(of, of))


# --- the second walk: folders by their real paths, in any order -----------------------------------------------------


def own_name(name):
    system = {"__macosx", "@eadir", "#recycle", "thumbs.db", "desktop.ini", "icon\r"}
    return name[0] != "." and name.lower() not in system


def holders(path):
    """Real paths of all that holds a folder: where it is written to be and where it is."""
    found = set()
    for place in (os.path.abspath(path), os.path.realpath(path)):
        while place != os.path.dirname(place):
            place = os.path.dirname(place)
            found.add(os.path.realpath(place))
            found |= {os.path.realpath(up) for up in walk_up(os.path.realpath(place))}
    return found


def walk_up(path):
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        yield path


def folders_in(path, never):
    return {
        name: os.path.join(path, name)
        for name in os.listdir(path)
        if own_name(name) and os.path.isdir(os.path.join(path, name))
        if os.path.realpath(os.path.join(path, name)) not in never
    }


def expected(root):
    """Counter of (class, part, content), or None where the tree is no data set."""
    parts = {name: os.path.join(root, name) for name in os.listdir(root) if os.path.isdir(os.path.join(root, name))}
    test, val = parts.get("test"), parts.get("val") or parts.get("validation")
    if "train" not in parts:
        if test or val:
            return None
        chosen = {"": root}
    else:
        chosen = {"train": parts["train"], "validation": val if test else None, "test": test or val}
        chosen = {key: path for key, path in chosen.items() if path}
        chosen = chosen if "test" in chosen else {"": parts["train"]}
    of_part = {key: folders_in(path, {os.path.realpath(path)} | holders(path)) for key, path in chosen.items()}
    names = set(next(iter(of_part.values())))
    if not names or any(not names <= set(of) for of in of_part.values()) or names & set(ODD_CLASSES):
        return None
    found = Counter()
    for key, of in of_part.items():
        for name in names:
            found.update((name, key, one) for one in contents_below(of[name]))
    return found


def contents_below(top):
    never, left, seen = holders(top), [top], set()
    while left:
        real = os.path.realpath(left.pop())
        if real in seen or real in never:
            continue
        seen.add(real)
        for name in filter(own_name, os.listdir(real)):
            path = os.path.join(real, name)
            if os.path.isdir(path):
                left.append(path)
            elif os.path.isfile(path) and name.lower().endswith(KNOWN):
                yield hashlib.sha256(Path(path).read_bytes()).hexdigest()


# --- the properties ---------------------------------------------------------------------------------------------------


def one_line(error):
    said = str(error)
    return said.startswith("dataset.") and said.isprintable() and len(said) < 2_000


@settings(max_examples=200, deadline=None, derandomize=True)
@given(tree=trees, beside=content, data=st.data())
def test_any_tree_is_read_as_a_plain_walk_finds_it_or_refused_in_one_line(tree, beside, data):
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        root, elsewhere = place / "so/deep/that/links/stay/photographs", place / "elsewhere"
        root.mkdir(parents=True)
        grow(elsewhere, {**beside, "c.png": ("file", 3), "up": ("link", str(root))}, elsewhere)
        grow(root, tree, elsewhere)
        wanted = expected(str(root))
        try:
            taken = inventory.take("image_folder", root, None, place / "state")
        except ValueError as error:
            assert wanted is None or "names are text" in str(error) and has_odd_name(place), error  # noqa: PT017
            assert one_line(error), error  # noqa: PT017
            return
        images = taken.images
        assert Counter((one.class_name, one.given, one.sha256) for one in images) == wanted
        assert len({one.name for one in images}) == len(images)
        for one in images:
            assert hashlib.sha256((root / one.name).read_bytes()).hexdigest() == one.sha256
        (place / "inventory.csv").write_bytes(inventory.as_csv(images, lambda one: "train").encode())
        assert inventory.read(place / "inventory.csv") == list(images)
        check_parts(taken, data.draw(st.integers(0, 3)), data.draw(st.sampled_from([0, 1])))
        check_pixels(root, images)


def has_odd_name(place):
    return any(not str(path).isprintable() for path in place.rglob("*") if path.suffix.lower() in KNOWN)


def check_parts(taken, stop, validation):
    split = own.Split(0, 0.3, validation, stop)
    images = list(taken.images)
    parts, shuffled = own.Parts(images, split), own.Parts(random.Random(0).sample(images, len(images)), split)
    assert all(parts.part_of(one) == shuffled.part_of(one) for one in images)
    for one in images:
        if one.given in ("test", "validation"):
            assert parts.part_of(one) == one.given
        elif one.given == "train":
            assert parts.part_of(one) != "test"
        else:  # whatever its name and class
            assert len({parts.part_of(other) for other in images if other.content == one.content}) == 1
    lists = {(part, name): parts.of(part, name) for part in ("train", "validation", "test") for name in taken.classes}
    for (part, name), listed in lists.items():
        there = {one.sha256 for one in images if (one.class_name, parts.part_of(one)) == (name, part)}
        assert sorted(one.sha256 for one in listed) == sorted(there)
        assert len({one.image_id for one in listed}) == len(listed)
    enough = stop and all(
        len(lists["train", name]) >= stop and len(lists["validation", name]) >= validation and lists["test", name]
        for name in taken.classes
    )
    if enough:
        parts.check(taken.classes)
    else:
        with pytest.raises(ValueError, match=r"dataset\.") as caught:
            parts.check(taken.classes)
        assert one_line(caught.value)


def check_pixels(root, images):
    pictures = [one for one in images if one.sha256 in LOOKS]
    for place, pixels in inventory.pictures("image_folder", root, pictures):
        np.testing.assert_array_equal(pixels, LOOKS[pictures[place].sha256], strict=True)
    for odd in (one for one in images if one.sha256 not in LOOKS):
        with pytest.raises(ValueError, match="must be a picture") as caught:
            list(inventory.pictures("image_folder", root, [odd]))
        assert str(caught.value).isprintable()
