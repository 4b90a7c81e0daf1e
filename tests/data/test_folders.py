"""realgap.data.folders: which files of a class's folder are its pictures."""

import os

import pytest
from PIL import Image, features

from realgap.data import folders, inventory, reading


@pytest.fixture
def cats(tmp_path):
    """A class's folder with one picture."""
    folder = tmp_path / "birds" / "cat"
    folder.mkdir(parents=True)
    Image.new("RGB", (9, 9), (1, 2, 3)).save(folder / "a.png")
    return folder


def names(folder, unread=None):
    return [path.relative_to(folder).as_posix() for path in folders.pictures(folder, unread)]


@pytest.mark.parametrize("odd", [".ipynb_checkpoints", "@eaDir", "__MACOSX", "#recycle", ".AppleDouble", "@Recycle"])
def test_what_systems_leave_in_folders_is_no_picture(cats, odd):
    (cats / odd).mkdir()
    Image.new("RGB", (9, 9)).save(cats / odd / "a.png")
    unread = folders.Unread()
    assert names(cats, unread) == ["a.png"]
    assert not unread.count


@pytest.mark.parametrize("odd", ["._a.png", ".a.jpg", "Thumbs.db", "desktop.ini", ".DS_Store"])
def test_hidden_and_system_files_are_passed_over_without_a_word(cats, odd):
    (cats / odd).write_bytes((cats / "a.png").read_bytes())
    unread = folders.Unread()
    assert names(cats, unread) == ["a.png"]
    assert not unread.count


def test_a_system_folder_is_no_class(cats):
    for odd in ("__MACOSX", "@eaDir", ".git"):
        (cats.parent / odd).mkdir()
    assert folders.class_names(cats.parent) == ["cat"]


def test_links_are_followed_and_loops_end(cats, tmp_path):
    elsewhere = tmp_path / "disk2"
    elsewhere.mkdir()
    Image.new("RGB", (9, 9)).save(elsewhere / "b.png")
    (cats / "more").symlink_to(elsewhere)
    (cats / "c.png").symlink_to(cats / "a.png")
    (elsewhere / "back").symlink_to(cats)
    (cats / "self").symlink_to(cats)
    assert names(cats) == ["a.png", "c.png", "more/b.png"]
    (cats.parent / "dog").symlink_to(elsewhere)
    assert folders.class_names(cats.parent) == ["cat", "dog"]


def test_what_holds_a_class_is_none_of_its_folders(cats):
    """By whichever of its names: else a class holds all others, and the data set is a class of itself."""
    (cats.parent / "dog").mkdir()
    Image.new("RGB", (8, 8)).save(cats.parent / "dog/b.png")
    for name, target in (("up", ".."), ("root", cats.parent), ("above", cats.parent.parent)):
        (cats / name).symlink_to(target)
        (cats.parent / name).symlink_to(target)
    (cats.parent / "here").symlink_to(".")
    assert names(cats) == ["a.png"]
    assert folders.class_names(cats.parent) == ["cat", "dog"]


def test_a_link_to_itself_is_a_broken_one(cats):
    for place in (cats, cats.parent):
        (place / "x.png").symlink_to("x.png")
    unread = folders.Unread()
    assert names(cats, unread) == ["a.png"]
    assert dict(unread.count) == {"broken link": 1}
    assert folders.class_names(cats.parent) == ["cat"]


@pytest.mark.parametrize("name", ["a\n.png", "a\r.png", "\x1b[2J.png", "\udcff.png"])
def test_a_name_that_is_no_line_of_text_is_refused(cats, name):
    """An inventory with it could not be read again, and a message would be no line."""
    (cats / "a.png").rename(cats / name)
    with pytest.raises(ValueError, match=r"dataset\.root: must hold files and rows whose names are text") as caught:
        inventory.take("image_folder", cats.parent, None, cats.parent.parent / "state")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["cat\n", "c\tat", "\x9bcat", "\udcff", "x" * 201])
def test_a_folder_whose_name_is_none_of_a_class_is_refused_where_all_are_taken(cats, name):
    cats.rename(cats.parent / name)
    with pytest.raises(ValueError, match=r"dataset\.classes: must be names of at most 200 characters") as caught:
        inventory.take("image_folder", cats.parent, None, cats.parent.parent / "state")
    assert str(caught.value).isprintable()


def test_links_that_double_at_each_level_end_as_well(cats):
    """Thirty levels of two links each are a billion paths to one picture."""
    below = cats
    for level in range(30):
        above = cats.parent.parent / f"level{level}"
        above.mkdir()
        for name in ("x", "y"):
            (above / name).symlink_to(below)
        below = above
    assert len(folders.pictures(below)) == 1


FORMATS = {
    **dict.fromkeys(("jpg", "jpeg", "jpe", "jfif", "JPG"), "JPEG"),
    **dict.fromkeys(("ppm", "pgm", "pbm", "pnm"), "PPM"),
    **{"png": "PNG", "bmp": "BMP", "tif": "TIFF", "tiff": "TIFF", "webp": "WEBP", "gif": "GIF"},
    **({"avif": "AVIF"} if features.check("avif") else {}),
}


@pytest.mark.parametrize(("suffix", "kind"), FORMATS.items())
def test_known_formats_are_read(tmp_path, suffix, kind):
    mode = {"pgm": "L", "pbm": "1"}.get(suffix, "RGB")
    Image.new("RGB", (16, 16), (255, 255, 255)).convert(mode).save(tmp_path / f"a.{suffix}", kind)
    (path,) = folders.pictures(tmp_path)
    pixels = reading.read(path)
    assert pixels.shape == (16, 16, 3)
    assert pixels.min() >= 250


def test_unknown_files_are_counted_and_named_once_for_each_kind(cats):
    for name in ("a.txt", "b.txt", "c.heic", "README"):
        (cats / name).write_text("x")
    (cats / "gone.png").symlink_to("nowhere.png")
    os.mkfifo(cats / "pipe.png")
    unread = folders.Unread()
    assert names(cats, unread) == ["a.png"]
    assert dict(unread.count) == {".txt": 2, ".heic": 1, "without a suffix": 1, "broken link": 1, "special file": 1}
    assert str(unread).startswith("2 .txt (such as ")
    assert "1 .heic (such as " in str(unread)
