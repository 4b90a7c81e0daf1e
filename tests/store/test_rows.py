"""realgap.store.rows: an array that stays on disk reads as it would from memory, in a memory that does not grow."""

import gc
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realgap.store import rows, shards

LENGTHS = (5, 128, 300, 1)  # below, at and above a chunk


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A union of shards, what `read` says of it, and the same on disk."""
    folder = tmp_path_factory.mktemp("rows")
    random, first = np.random.default_rng(0), 0
    for number, n in enumerate(LENGTHS):
        arrays = {
            "images": random.integers(0, 256, (n, 5, 4, 3), np.uint8),
            "labels": np.full(n, number, np.int64),
            "image_ids": np.arange(first, first + n),
            "variants": np.zeros(n, np.int32),
        }
        shards.write(folder / f"{number}.h5", "images", arrays, {"step": "test", "source": "real"})
        first += n
    shards.write_union(folder / "all.h5", [folder / f"{n}.h5" for n in range(4)], {"training_set": "all"})
    return folder, shards.read(folder / "all.h5", "images"), shards.opened(folder / "all.h5")


def test_what_stays_on_disk_is_what_would_be_read(stored):
    _, held, opened = stored
    assert isinstance(opened["images"], rows.Rows)
    assert opened["images"].shape == held["images"].shape == (434, 5, 4, 3)
    assert (opened["images"].ndim, opened["images"].nbytes) == (4, held["images"].nbytes)
    assert opened.attributes == held.attributes
    for name in ("labels", "image_ids", "variants"):
        np.testing.assert_array_equal(opened[name], held[name])
    np.testing.assert_array_equal(opened["images"][:], held["images"])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 433), max_size=40), st.integers(0, 434), st.integers(0, 434))
def test_any_rows_in_any_order_are_those_of_the_array(stored, chosen, first, stop):
    _, held, opened = stored
    np.testing.assert_array_equal(opened["images"][np.array(chosen, int)], held["images"][np.array(chosen, int)])
    np.testing.assert_array_equal(opened["images"][first:stop], held["images"][first:stop])
    part = opened["images"].between(min(first, stop), max(first, stop))
    np.testing.assert_array_equal(part[:], held["images"][min(first, stop) : max(first, stop)])


def test_rows_that_are_not_there_are_an_error(stored):
    images = stored[2]["images"]
    for wrong in ([434], [-1], [3, 500]):
        with pytest.raises(IndexError, match="rows: must be below 434"):
            images[wrong]
    with pytest.raises(IndexError, match="rows: must be below 10"):
        images.between(5, 15)[[10]]


def test_threads_that_read_side_by_side_do_not_meet(stored):
    _, held, opened = stored
    orders = [np.random.default_rng(seed).permutation(434) for seed in range(16)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = list(pool.map(lambda order: opened["images"][order], orders))
    for order, images in zip(orders, found, strict=True):
        np.testing.assert_array_equal(images, held["images"][order])


def test_more_files_than_are_kept_open_can_be_read(images_shard, monkeypatch, tmp_path):
    monkeypatch.setattr(rows, "OPEN", 3)
    paths = [images_shard(f"{n}.h5", n=2, first_id=2 * n) for n in range(12)]
    shards.write_union(tmp_path / "all.h5", paths, {"training_set": "all"})
    images = shards.opened(tmp_path / "all.h5")["images"]
    order = np.random.default_rng(0).permutation(24)
    np.testing.assert_array_equal(images[order], shards.read(tmp_path / "all.h5", "images")["images"][order])
    assert len(images._files._open) == 3


def test_a_dataset_in_one_piece_and_an_empty_one_read_as_they_are(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["whole"] = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
        file["none"] = np.zeros((0, 3), np.uint8)
    with h5py.File(tmp_path / "a.h5") as file:
        whole, none = (rows.Rows.of(tmp_path / "a.h5", file[name]) for name in ("whole", "none"))
    np.testing.assert_array_equal(whole[[3, 0]], np.arange(24).reshape(4, 3, 2)[[3, 0]])
    assert none[:].shape == (0, 3)
    assert list(none.blocks()) == []


def test_chunks_that_lie_in_another_order_in_the_file_are_read_in_that_of_the_rows(tmp_path):
    values = np.arange(30, dtype=np.float64).reshape(10, 3)
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        dataset = file.create_dataset("late", (10, 3), np.float64, chunks=(4, 3))
        for first in (8, 0, 4):  # each chunk gets its place when it is written
            dataset[first : first + 4] = values[first : first + 4]
    with h5py.File(tmp_path / "a.h5") as file:
        found = rows.Rows.of(tmp_path / "a.h5", file["late"])
    np.testing.assert_array_equal(found[:], values)
    np.testing.assert_array_equal(found[2:9], values[2:9])


def test_a_flipped_bit_is_seen_when_a_file_is_opened(images_shard, tmp_path):
    path = images_shard("a.h5", n=40)
    at = bytearray(path.read_bytes())
    pixels = shards.read(path, "images")["images"][7].tobytes()
    at[bytes(at).index(pixels)] ^= 1
    path.write_bytes(at)
    with pytest.raises(ValueError, match="a.h5: its content does not match its checksum"):
        shards.opened(path)


def test_a_file_that_has_become_shorter_is_an_error_and_no_zeros(images_shard):
    path = images_shard("a.h5", n=40)
    closed, still_open = shards.opened(path)["images"], shards.opened(path)["images"]
    close(closed)
    with path.open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(OSError, match=r"a\.h5: must not change while it is read; it has been written anew"):
        closed[39:40]
    with pytest.raises(OSError, match=r"a\.h5: must not change while it is read; it has become shorter"):
        still_open[39:40]


def close(images):
    """As if many other files had been read since."""
    while images._files._open:
        os.close(images._files._open.popitem()[1])


def test_a_file_in_the_place_of_another_is_never_read_for_it(images_shard):
    """A process may take many steps: what it had open of a path is not what lies there now."""
    first = shards.opened(images_shard("a.h5", n=4))["images"]
    held = first[:]
    second = shards.opened(images_shard("a.h5", n=4, first_id=9))["images"]
    assert not np.array_equal(second[:], held)
    np.testing.assert_array_equal(first[:], held)
    close(first)
    with pytest.raises(OSError, match=r"a\.h5: must not change while it is read; it has been written anew"):
        first[:]


def test_files_close_with_the_last_that_reads_them(images_shard):
    path = images_shard("a.h5", n=4)

    def times_open():
        descriptors = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
        return sum(os.path.realpath(one) == str(path) for one in descriptors)

    images = shards.opened(path)["images"]
    part = images.between(1, 3)
    del images
    assert part[:].shape == (2, 6, 6, 3)
    assert times_open() == 1
    del part
    gc.collect()
    assert times_open() == 0


READING = """
import resource, sys
import numpy as np
from realgap.store import shards
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
images = shards.opened(sys.argv[1])["images"]
for first in range(0, len(images), 64):
    images[np.arange(first, min(first + 64, len(images)))]
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024, images.nbytes)
"""


def test_memory_holds_a_block_and_not_the_file(tmp_path):
    n = 10_000
    arrays = {name: np.zeros(n, dtype) for name, dtype in (("labels", np.int64), ("image_ids", np.int64))}
    arrays |= {"variants": np.zeros(n, np.int32), "images": np.zeros((n, 96, 96, 3), np.uint8)}
    shards.write(tmp_path / "a.h5", "images", arrays, {"step": "test", "source": "real"})
    run = [sys.executable, "-c", READING, tmp_path / "a.h5"]
    grown, size = map(int, subprocess.run(run, capture_output=True, text=True, check=True).stdout.split())
    assert size == n * 96 * 96 * 3
    assert grown < 3 * rows.BLOCK_BYTES < size / 4
