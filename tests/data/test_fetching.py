"""realgap.data.fetching: a file from a server, whole or not at all; nothing that was there is replaced."""

import functools
import hashlib
import http.server
import tarfile
import threading

import pytest

from realgap.data import fetching

CONTENT = bytes(range(256)) * 100
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def url(tmp_path):
    """The address of a file on a server of this machine."""
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "file").write_bytes(CONTENT)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/file"
        server.shutdown()


def test_a_file_is_fetched_once(url, tmp_path):
    path = tmp_path / "data" / "file"
    fetching.download(url, path, MD5)
    assert path.read_bytes() == CONTENT
    fetching.download("http://127.0.0.1:1/never", path, MD5)
    assert [found.name for found in path.parent.iterdir()] == ["file"]


def test_a_file_of_the_users_is_not_replaced(url, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"file: must have the md5 checksum \w+, got \w+; move it away"):
        fetching.download(url, path, MD5)
    assert path.read_bytes() == b"mine"


def test_what_comes_with_another_checksum_is_not_kept(url, tmp_path):
    with pytest.raises(ValueError, match="nothing was kept, run this again"):
        fetching.download(url, tmp_path / "other", "0" * 32)
    assert not list(tmp_path.glob("other*"))


def test_a_server_that_cannot_be_reached_is_one_line_that_says_what_to_do(tmp_path):
    with pytest.raises(OSError, match="could not be fetched .*; run this again where there is internet"):
        fetching.download("http://127.0.0.1:1/never", tmp_path / "file", MD5)


@pytest.fixture
def archive(tmp_path):
    """A tar file with the folders one/ and two/."""
    for name in ("one", "two"):
        (tmp_path / "packed" / name).mkdir(parents=True)
        (tmp_path / "packed" / name / "image").write_text(name)
    with tarfile.open(tmp_path / "archive.tgz", "w:gz") as file:
        for name in ("one", "two"):
            file.add(tmp_path / "packed" / name, name)
    return tmp_path / "archive.tgz"


def test_an_archive_is_unpacked_beside_what_is_there(archive, tmp_path):
    folder = tmp_path / "data"
    (folder / "mine").mkdir(parents=True)
    fetching.unpack(archive, folder)
    assert (folder / "one" / "image").read_text() == "one"
    assert sorted(path.name for path in folder.iterdir()) == ["mine", "one", "two"]


def test_a_folder_of_the_users_is_not_replaced_and_nothing_else_appears(archive, tmp_path):
    folder = tmp_path / "data"
    (folder / "two").mkdir(parents=True)
    (folder / "two" / "image").write_text("mine")
    with pytest.raises(ValueError, match=r"data/two: must not be there when .*archive\.tgz is unpacked; move it away"):
        fetching.unpack(archive, folder)
    assert (folder / "two" / "image").read_text() == "mine"
    assert [path.name for path in folder.iterdir()] == ["two"]
