"""realgap.store.files: a file exists whole or not at all."""

import hashlib
import os
import signal
import subprocess
import sys
import time

import pytest

from realgap.store.files import sha256, whole

WRITE_FOREVER = """
import itertools, sys
from realgap.store.files import whole
for letter in itertools.cycle("ab"):
    with whole(sys.argv[1]) as beside, open(beside, "w") as file:
        for _ in range(100):
            file.write(letter * 1000)
            file.flush()
"""


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_written_file_is_there_and_nothing_else(tmp_path):
    with whole(tmp_path / "new" / "out.txt") as beside:
        beside.write_text("all of it")
    assert os.listdir(tmp_path / "new") == ["out.txt"]
    assert (tmp_path / "new" / "out.txt").read_text() == "all of it"


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    (tmp_path / "out.txt").write_text("old")
    with pytest.raises(ZeroDivisionError), whole(tmp_path / "out.txt") as beside:
        beside.write_text(f"half {1 / 0}")
    assert os.listdir(tmp_path) == ["out.txt"]
    assert (tmp_path / "out.txt").read_text() == "old"


@pytest.mark.parametrize("after_s", [0.15, 0.21, 0.27, 0.33])
def test_a_file_exists_whole_or_not_at_all_when_its_writer_is_killed(tmp_path, after_s):
    out = tmp_path / "out.txt"
    writer = subprocess.Popen([sys.executable, "-c", WRITE_FOREVER, out])
    while not os.listdir(tmp_path):
        time.sleep(0.01)
    time.sleep(after_s)
    writer.send_signal(signal.SIGKILL)
    assert writer.wait() == -signal.SIGKILL
    assert visible(tmp_path) in ([], ["out.txt"])
    if out.exists():
        assert out.read_text() in ("a" * 100_000, "b" * 100_000)


def test_killed_in_the_middle_leaves_only_a_hidden_file(tmp_path):
    code = (
        "import os, sys; from realgap.store.files import whole\n"
        "with whole(sys.argv[1]) as beside: beside.write_text('half'); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "out.h5"]).returncode == -signal.SIGKILL
    assert visible(tmp_path) == []
    assert [path.suffix for path in tmp_path.iterdir()] == [".h5"]


def test_bytes_are_on_disk_before_the_name_is(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, n=name, f=real: (calls.append(n), f(*args))[1])
    with whole(tmp_path / "out.txt") as beside:
        beside.write_text("x")
    assert calls == ["fsync", "replace", "fsync"]  # the file, its name, the folder that holds the name


def test_the_temporary_name_is_hidden_and_keeps_the_suffix(tmp_path):
    with whole(tmp_path / "figure.svg") as beside:
        assert beside.parent == tmp_path
        assert beside.name.startswith(".")
        assert beside.suffix == ".svg"


def test_a_file_is_as_readable_as_the_umask_allows(tmp_path):
    for umask, mode in ((0o022, 0o644), (0o007, 0o660)):
        before = os.umask(umask)
        try:
            with whole(tmp_path / "out.txt") as beside:
                beside.write_text("x")
        finally:
            os.umask(before)
        assert (tmp_path / "out.txt").stat().st_mode & 0o777 == mode


def test_a_path_that_can_not_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    for place in ("file/out.txt", "file/deeper/out.txt"):
        with pytest.raises(OSError, match=str(tmp_path / place)), whole(tmp_path / place):
            raise AssertionError("must not get here")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=str(tmp_path / "folder")), whole(tmp_path / "folder") as beside:
        beside.write_text("x")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "file").write_bytes(bytes(range(256)) * 999)
    assert sha256(tmp_path / "file") == hashlib.sha256(bytes(range(256)) * 999).hexdigest()
