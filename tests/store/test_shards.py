"""realgap.store.shards: what is read is what was written, or an error that names the file."""

import fcntl
import json
import os
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from realgap.store import shards

MADE = {"step": "test", "options": {"seed": 3, "name": "ü/∅"}, "versions": {"torch": "1"}}


def arrays_of(kind, n=3, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {4: (n, 5, 4, 3), 3: (n, 5, 7), 2: (n, 6), 1: (n,)}
    return {
        name: rng.integers(0, 100, shapes[rank]).astype(dtype) for name, (dtype, rank) in shards.LAYOUT[kind].items()
    }


def assert_same(one, other):
    assert one.attributes == other.attributes
    assert set(one.arrays) == set(other.arrays)
    for name in one.arrays:
        np.testing.assert_array_equal(one[name], other[name], strict=True)


@pytest.fixture
def union(tmp_path, images_shard):
    paths = [images_shard("real/a.h5", n=3), images_shard("sd/b.h5", n=2, first_id=3, source="sd")]
    shards.write_union(tmp_path / "training_sets" / "both.h5", paths, {"training_set": "both"})
    return tmp_path / "training_sets" / "both.h5"


@pytest.mark.parametrize("kind", shards.LAYOUT)
def test_what_is_read_is_what_was_written(tmp_path, kind):
    arrays = arrays_of(kind)
    shards.write(tmp_path / "a.h5", kind, arrays, MADE)
    read = shards.read(tmp_path / "a.h5", kind)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array, strict=True)
    assert read.attributes == {**MADE, "checksum": shards.checksum(tmp_path / "a.h5")}
    assert len(read) == 3


@pytest.mark.parametrize("n", [0, 1, 127, 128, 129, 300])
def test_any_length_and_any_order_in_memory_survive_the_round_trip(tmp_path, n):
    arrays = {
        "images": np.arange(n * 4 * 5 * 3, dtype=np.uint8).reshape(3, 5, 4, n).T,
        "labels": np.arange(n)[::-1],
        "image_ids": np.arange(n),
        "variants": np.zeros(n, np.int32),
    }
    shards.write(tmp_path / "a.h5", "images", arrays, {})
    read = shards.read(tmp_path / "a.h5", "images")
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array, strict=True)


def test_attributes_may_be_larger_than_an_hdf5_header(tmp_path):
    made = {"options": "x" * 300_000}
    shards.write(tmp_path / "a.h5", "images", arrays_of("images"), made)
    assert shards.read(tmp_path / "a.h5", "images").attributes["options"] == made["options"]


def test_the_same_arrays_and_attributes_give_the_same_bytes(tmp_path, images_shard):
    for name in ("a.h5", "b.h5"):
        shards.write(tmp_path / name, "embeddings", arrays_of("embeddings"), MADE)
    shuffled = dict(reversed(MADE.items()))
    shards.write(tmp_path / "c.h5", "embeddings", dict(reversed(arrays_of("embeddings").items())), shuffled)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "c.h5").read_bytes()
    sources = [images_shard("d.h5"), images_shard("e.h5", first_id=9)]
    for name in ("u.h5", "v.h5"):
        shards.write_union(tmp_path / name, sources, {"training_set": "both"})
        time.sleep(1.1)  # HDF5 would note the second in which a view was made
    assert (tmp_path / "u.h5").read_bytes() == (tmp_path / "v.h5").read_bytes()


@pytest.mark.parametrize("kind", ["images", "predictions"])
def test_an_altered_shard_is_an_error_that_names_it_or_reads_the_same(tmp_path, kind):
    shards.write(tmp_path / "a.h5", kind, arrays_of(kind), MADE)
    assert_every_flipped_bit_is_seen(tmp_path / "a.h5", kind, step=13)


def test_an_altered_union_is_an_error_that_names_it_or_reads_the_same(union):
    assert_every_flipped_bit_is_seen(union, "images", step=29)


def assert_every_flipped_bit_is_seen(path, kind, step):
    whole, before = path.read_bytes(), shards.read(path, kind)
    refused = 0
    for position in range(0, len(whole), step):
        altered = bytearray(whole)
        altered[position] ^= 1 << position % 8
        path.write_bytes(altered)
        try:
            read = shards.read(path, kind)
        except ValueError as error:
            refused += str(path) in str(error) or pytest.fail(f"byte {position}: {error}")
        else:
            assert_same(read, before)
    assert refused > 20


@pytest.mark.parametrize("kind", ["images", "union"])
def test_a_truncated_shard_is_an_error_that_names_it(union, images_shard, kind):
    path = union if kind == "union" else images_shard("a.h5")
    whole = path.read_bytes()
    for length in {0, 1, 7, 8, 100, *range(0, len(whole), 37), len(whole) - 1}:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=str(path)):
            shards.read(path, "images")


def test_altered_arrays_are_noticed_even_when_hdf5_finds_them_in_order(images_shard):
    path = images_shard("a.h5")
    for name, change in (("images", 1), ("labels", 1), ("image_ids", -1), ("variants", 2)):
        with h5py.File(path, "r+") as file:
            file[name][1] += change
        with pytest.raises(ValueError, match=f"{path}: its content does not match its checksum"):
            shards.read(path, "images")
        with h5py.File(path, "r+") as file:
            file[name][1] -= change
    assert len(shards.read(path, "images")) == 3


def test_altered_options_are_noticed(images_shard):
    path = images_shard("a.h5")
    with h5py.File(path, "r+") as file:
        text = file.attrs["attributes"].replace(b"real", b"fake")
        file.attrs.create("attributes", text, dtype=h5py.string_dtype("utf-8", len(text)))
    with pytest.raises(ValueError, match="does not match its checksum"):
        shards.read(path, "images")


def test_a_shard_of_another_kind_or_format_is_refused_by_name(tmp_path, images_shard):
    path = images_shard("a.h5")
    with pytest.raises(ValueError, match=f"{path}: must be a shard of moments, got one of images"):
        shards.read(path, "moments")
    with h5py.File(path, "r+") as file:
        file.attrs["format"] = 99
    with pytest.raises(ValueError, match=f"{path}: format must be 1 or 2, got 99"):
        shards.read(path, "images")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["images"] = np.zeros(3)
    (tmp_path / "text.h5").write_text("no HDF5 at all")
    for name in ("foreign.h5", "text.h5"):
        with pytest.raises(ValueError, match=f"{tmp_path / name}: not a complete shard"):
            shards.read(tmp_path / name, "images")


def test_a_missing_shard_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path / "a.h5")):
        shards.read(tmp_path / "a.h5", "images")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((3, 4, 4, 3), np.float32)}, "images must be uint8 of rank 4, got float32 of rank 4"),
        ({"images": np.zeros((3, 4, 4), np.uint8)}, "images must be uint8 of rank 4, got uint8 of rank 3"),
        ({"labels": np.zeros(3, np.int32)}, "labels must be int64 of rank 1, got int32 of rank 1"),
        ({"labels": np.zeros(2, np.int64)}, "all arrays must be equally long, got images 3, labels 2"),
        ({"extra": np.zeros(3)}, "must hold images, labels, image_ids, variants, got .*extra"),
    ],
)
def test_arrays_that_do_not_fit_the_layout_are_not_written(tmp_path, change, message):
    with pytest.raises(ValueError, match=f"{tmp_path / 'a.h5'}: .*{message}"):
        shards.write(tmp_path / "a.h5", "images", {**arrays_of("images"), **change}, MADE)
    assert not list(tmp_path.iterdir())


def plant(path, name, make):
    """Replace an array of a shard by something that another program could have put there."""
    with h5py.File(path, "r+") as file:
        data = file[name][()]
        del file[name]
        make(file, name, data)


@pytest.mark.parametrize(
    "make",
    [
        lambda file, name, data: file.__setitem__(name, h5py.ExternalLink("other.h5", name)),
        lambda file, name, data: file.__setitem__(name, h5py.SoftLink("/images")),
        lambda file, name, data: file.create_group(name),
        lambda file, name, data: file.create_dataset(name, data=data, chunks=True, compression="gzip"),
        lambda file, name, data: file.create_dataset(name, data=data, chunks=True, fletcher32=True),
        lambda file, name, data: file.create_dataset(name, data=data, external=[("outside.bin", 0, data.nbytes)]),
        lambda file, name, data: file.create_virtual_dataset(name, view_of("other.h5", name, data)),
    ],
    ids=["external link", "soft link", "group", "compression", "filter", "external storage", "virtual"],
)
def test_links_filters_and_storage_in_other_files_are_refused(images_shard, monkeypatch, tmp_path, make):
    monkeypatch.chdir(tmp_path)  # where the external storage would be written
    path = images_shard("a.h5")
    images_shard("other.h5")
    plant(path, "labels", make)
    with pytest.raises(ValueError, match=f"{path}: labels (is|has|lives)"):
        shards.read(path, "images")


def view_of(path, name, data):
    layout = h5py.VirtualLayout(data.shape, data.dtype)
    layout[:] = h5py.VirtualSource(path, name, data.shape, data.dtype)
    return layout


def test_an_array_too_many_is_refused(images_shard):
    path = images_shard("a.h5")
    with h5py.File(path, "r+") as file:
        file["more"] = np.zeros(3)
    with pytest.raises(ValueError, match=f"{path}: must hold images, .*more"):
        shards.read(path, "images")


def test_a_union_shows_the_rows_of_its_shards_one_after_another(union, tmp_path):
    read, parts = shards.read(union, "images"), [tmp_path / "real/a.h5", tmp_path / "sd/b.h5"]
    for name in shards.LAYOUT["images"]:
        expected = np.concatenate([shards.read(part, "images")[name] for part in parts])
        np.testing.assert_array_equal(read[name], expected, strict=True)
        with h5py.File(union) as file:  # any other HDF5 program sees the same
            np.testing.assert_array_equal(file[name][()], expected, strict=True)
    assert [source["items"] for source in read.attributes["sources"]] == [3, 2]
    assert read.attributes["training_set"] == "both"


def test_a_union_copies_nothing(tmp_path, images_shard):
    sizes = []
    for side in (4, 64):
        sources = [images_shard(f"{side}-{n}.h5", n=20, size=side) for n in range(2)]
        shards.write_union(tmp_path / "u.h5", sources, {})
        sizes.append((tmp_path / "u.h5").stat().st_size)
    assert sizes[1] < sizes[0] + 1000  # 491,520 bytes of images
    with h5py.File(tmp_path / "u.h5") as file:
        assert all(file[name].is_virtual for name in file)


def test_a_union_survives_moving_the_results_folder(union, tmp_path, monkeypatch):
    before = shards.read(union, "images")
    moved = tmp_path.with_name(tmp_path.name + " moved to ü")
    tmp_path.rename(moved)
    monkeypatch.chdir(moved)
    for path in (moved / "training_sets" / "both.h5", "training_sets/both.h5"):
        assert_same(shards.read(path, "images"), before)
        with h5py.File(path) as file:
            np.testing.assert_array_equal(file["images"][()], before["images"])


def test_a_union_written_by_relative_paths_is_the_same(union, tmp_path, monkeypatch):
    before = union.read_bytes()
    monkeypatch.chdir(tmp_path / "real")
    shards.write_union("../training_sets/both.h5", ["a.h5", "../sd/b.h5"], {"training_set": "both"})
    assert union.read_bytes() == before


def test_a_union_refuses_a_changed_source_by_name(union, images_shard):
    changed = images_shard("sd/b.h5", n=2, first_id=4, source="sd")
    with pytest.raises(ValueError, match=f"{changed}: has changed since {union} was assembled"):
        shards.read(union, "images")


def test_a_union_refuses_a_missing_or_damaged_source_by_name(union, tmp_path):
    source = tmp_path / "real" / "a.h5"
    whole = source.read_bytes()
    with h5py.File(source, "r+") as file:
        file["images"][0] += 1
    with pytest.raises(ValueError, match=f"{source}: its content does not match"):
        shards.read(union, "images")
    source.write_bytes(whole[:1000])
    with pytest.raises(ValueError, match=f"{source}: not a complete shard"):
        shards.read(union, "images")
    source.unlink()
    with pytest.raises(ValueError, match=f"{source}: is missing"):
        shards.read(union, "images")


def test_a_union_with_a_link_in_it_or_another_list_of_sources_is_refused(union):
    whole = union.read_bytes()
    plant(union, "labels", lambda file, name, data: file.__setitem__(name, h5py.ExternalLink("x.h5", name)))
    with pytest.raises(ValueError, match=f"{union}: labels is a link"):
        shards.read(union, "images")
    union.write_bytes(whole)
    with h5py.File(union, "r+") as file:
        attributes = json.loads(file.attrs["attributes"])
        text = json.dumps({**attributes, "sources": attributes["sources"][:1]}, sort_keys=True).encode()
        file.attrs.create("attributes", text, dtype=h5py.string_dtype("utf-8", len(text)))
    with pytest.raises(ValueError, match=f"{union}: its content does not match its checksum"):
        shards.read(union, "images")


def test_a_union_of_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one shard"):
        shards.write_union(tmp_path / "u.h5", [], {})


def test_a_union_of_unions_reads_through_to_the_shards(union, tmp_path, images_shard):
    other = images_shard("c.h5", n=2)
    shards.write_union(tmp_path / "training_sets/top.h5", [union, other], {})
    parts = [shards.read(path, "images")["images"] for path in (union, other)]
    np.testing.assert_array_equal(
        shards.read(tmp_path / "training_sets/top.h5", "images")["images"], np.concatenate(parts)
    )


def test_a_union_shows_each_file_once(union, tmp_path, images_shard):
    """Else forty files of a few bytes that show each other twice stand for terabytes."""
    source = images_shard("a.h5")
    with pytest.raises(ValueError, match="each of them once"):
        shards.write_union(tmp_path / "u.h5", [source, tmp_path / "x/../a.h5"], {})
    (tmp_path / "x").mkdir()
    shards.write_union(tmp_path / "training_sets/top.h5", [union, tmp_path / "real/a.h5"], {})
    with pytest.raises(ValueError, match=r"top\.h5: must show the rows of a file once, shows .*real/a\.h5 again"):
        shards.read(tmp_path / "training_sets/top.h5", "images")


def test_a_shard_is_read_while_another_process_locks_it(images_shard):
    path = images_shard("a.h5")
    with open(path, "rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert len(shards.read(path, "images")) == 3
        assert shards.kind(path) == "images"


READ = "from realgap.store import shards; import sys; shards.read(sys.argv[1], 'images')"


def test_a_file_system_that_cannot_lock_is_no_damage(images_shard):
    """With locking forced by the user's environment; the same words come with errno 37, 524 and 5."""
    path = images_shard("a.h5")
    with open(path, "rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        environment = {**os.environ, "HDF5_USE_FILE_LOCKING": "TRUE", "PYTHONPATH": "workflow"}
        run = subprocess.run([sys.executable, "-c", READ, path], env=environment, capture_output=True, text=True)
    said = run.stderr.splitlines()[-1]
    assert f"{path}: could not be read: Resource temporarily unavailable (errno 11); it may be whole" in said
    assert "delete" not in run.stderr


def test_what_the_system_cannot_read_is_no_damage(tmp_path):
    (tmp_path / "a.h5").symlink_to("/proc/self/mem")  # a file that opens and gives EIO
    for read in (lambda path: shards.read(path, "images"), shards.kind, shards.checksum):
        with pytest.raises(OSError, match=rf"{tmp_path}/a\.h5: could not be read: .* \(errno 5\)") as caught:
            read(tmp_path / "a.h5")
        assert caught.value.errno == 5
        assert "delete" not in str(caught.value)


def test_a_shard_in_other_chunks_is_refused_before_it_is_read(images_shard):
    """A file of 9 MB may hold a million pieces, which take most of a minute."""
    path = images_shard("a.h5", n=200)
    labels = np.zeros(200, np.int64)
    with h5py.File(path, "r+") as file:
        del file["labels"]
        file.create_dataset("labels", data=labels, chunks=(1,))
    with pytest.raises(ValueError, match="labels must be in chunks of 128 rows"):
        shards.read(path, "images")


@pytest.mark.parametrize("make", ["a group", "a loop", "text", "references", "floats", "a kind of a megabyte", "names"])
def test_what_stands_in_place_of_an_array_is_one_short_line(images_shard, make):
    path = images_shard("a.h5")
    with h5py.File(path, "r+") as file:
        if make in ("a kind of a megabyte", "names"):
            if make == "names":
                for n in range(2000):
                    file[f"a name that is long enough {n}"] = 0
            else:
                file.attrs.create("kind", b"x" * 60000, dtype=h5py.string_dtype("utf-8", 60000))
        else:
            del file["labels"]
        if make in ("a group", "a loop"):
            file.create_group("labels")
            if make == "a loop":
                file["labels/labels"] = file["labels"]
        elif make == "text":
            file["labels"] = ["a", "b", "c"]
        elif make == "references":
            file.create_dataset("labels", data=[file["images"].ref] * 3, dtype=h5py.ref_dtype)
        elif make == "floats":
            file["labels"] = np.zeros(3)
    with pytest.raises(ValueError, match=f"{path}: ") as caught:
        shards.read(path, "images")
    assert len(str(caught.value)) < 700
    assert "\n" not in str(caught.value)


def test_the_written_contract_names_every_array_dtype_and_attribute():
    contract = (shards.Path(shards.__file__).parents[2] / "docs" / "shard-format.md").read_text()
    for kind, layout in shards.LAYOUT.items():
        section = contract.split(f"### `{kind}`")[1].split("###")[0]
        for name, (dtype, rank) in layout.items():
            row = next(line for line in section.splitlines() if line.startswith(f"| `{name}` | {dtype} | ("))
            assert row.split("(")[1].split(")")[0].strip(",").count(",") + 1 == rank
    for name in shards.HEADER:
        assert f"| `{name}` |" in contract


def test_reading_a_shard_imports_no_torch():
    code = "import sys; from realgap.store import shards; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_rows_written_piece_by_piece_give_the_same_bytes_as_all_at_once(tmp_path):
    random = np.random.default_rng(0)
    arrays = {
        "images": random.integers(0, 256, (300, 5, 5, 3), np.uint8),
        "labels": np.arange(300),
        "image_ids": np.arange(300) * 7,
        "variants": np.zeros(300, np.int32),
    }
    shards.write(tmp_path / "whole.h5", "images", arrays, {"source": "real"})
    for size in (1, 7, 128, 299):
        with shards.writing(tmp_path / "pieces.h5", "images", 300, {"source": "real"}) as append:
            for first in range(0, 300, size):
                append({name: array[first : first + size] for name, array in arrays.items()})
        assert (tmp_path / "pieces.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_pieces_that_do_not_add_up_or_fit_leave_no_file(tmp_path):
    piece = {
        "images": np.zeros((2, 4, 4, 3), np.uint8),
        "labels": np.zeros(2, np.int64),
        "image_ids": np.zeros(2, np.int64),
        "variants": np.zeros(2, np.int32),
    }
    with (
        pytest.raises(ValueError, match="must have 3 rows, got 2"),
        shards.writing(tmp_path / "a.h5", "images", 3, {}) as append,
    ):
        append(piece)
    with (
        pytest.raises(ValueError, match="images must be uint8"),
        shards.writing(tmp_path / "a.h5", "images", 2, {}) as append,
    ):
        append({**piece, "images": piece["images"].astype(np.float32)})

    def broken_off():
        with shards.writing(tmp_path / "a.h5", "images", 2, {}) as append:
            append(piece)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        broken_off()
    assert not list(tmp_path.iterdir())


def test_a_union_made_later_of_the_same_shards_has_the_same_bytes(images_shard, tmp_path):
    parts = [images_shard("a.h5"), images_shard("b.h5", first_id=10)]
    made = []
    for name in ("one.h5", "two.h5"):
        shards.write_union(tmp_path / name, parts, {"training_set": "real"})
        made.append((tmp_path / name).read_bytes())
        time.sleep(1.1)  # HDF5 counts its times in seconds
    assert made[0] == made[1]


def test_files_are_shared_out_to_their_sources_in_order():
    assert shards.by_source(["real", "vae_only"], ["a", "b", "c", "d"]) == {"real": ["a", "b"], "vae_only": ["c", "d"]}
    with pytest.raises(ValueError, match="equally many of each of 2 sources; got 3"):
        shards.by_source(["real", "vae_only"], ["a", "b", "c"])
