"""The one module that knows the HDF5 layout; the contract is written in workflow/docs/shard-format.md.

A shard is a small set of equally long arrays (row i of each belongs to the same item) and attributes
that say how it was made. `write` makes it whole or not at all, `read` refuses what is damaged or of
another kind. A training set is a file of the same layout whose arrays are views of other shards.
"""

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from realgap.store import files, forms, naming
from realgap.store.rows import Rows

FORMAT, PACKED = 1, 2  # PACKED: some arrays lie in another form (realgap.store.forms), which these attributes say
HEADER, OF_PACKED = ("format", "kind", "attributes", "checksum"), ("form", "stored")
UNIONS = "training_sets"  # the folder of a study whose files may show rows of the shards beside it
CHUNK_ITEMS = 128  # measured at 32 px: 566 k images/s written, 2 M/s read

# kind -> {array: (dtype, rank)}; arrays in brackets of the contract may be absent
LAYOUT: dict[str, dict[str, tuple[str, int]]] = {
    "images": {
        "images": ("uint8", 4),
        "labels": ("int64", 1),
        "image_ids": ("int64", 1),
        "variants": ("int32", 1),
    },
    "moments": {
        "mean": ("float32", 4),
        "std": ("float32", 4),
        "labels": ("int64", 1),
        "image_ids": ("int64", 1),
    },
    "embeddings": {
        "embeddings": ("float32", 3),
        "losses": ("float32", 2),
        "visits": ("int32", 1),
        "labels": ("int64", 1),
        "image_ids": ("int64", 1),
    },
    "release": {
        "embeddings": ("float32", 3),
        "spread": ("float32", 4),
        "labels": ("int64", 1),
    },
    "encoder": {"weights": ("float32", 1)},
    "geometry": {
        "measures": ("float32", 2),
        "segments": ("float32", 3),
        "field": ("float32", 4),
        "pixels": ("float32", 4),
        "columns": ("int32", 1),
        "labels": ("int64", 1),
        "image_ids": ("int64", 1),
        "variants": ("int32", 1),
    },
    "predictions": {"logits": ("float32", 2), "labels": ("int64", 1), "image_ids": ("int64", 1)},
    "saliency": {
        "logits": ("float32", 2),
        "true_maps": ("float32", 3),
        "predicted_maps": ("float32", 3),
        "correct": ("bool", 1),
        "faithfulness": ("float32", 1),
        "labels": ("int64", 1),
        "image_ids": ("int64", 1),
    },
    "scores": {
        "logits": ("float32", 2),
        "features": ("float32", 2),
        "attention": ("float64", 1),
        "typicality": ("float64", 1),
        "measures": ("float32", 2),
        "labels": ("int64", 1),
        "image_ids": ("int64", 1),
        "variants": ("int32", 1),
    },
    "features": {
        "features": ("float32", 2),
        "labels": ("int64", 1),
        "image_ids": ("int64", 1),
        "variants": ("int32", 1),
    },
}


# kinds whose labels are positions among the attribute `classes`, as those of logits are
POSITIONS = ("predictions", "saliency", "scores")


@dataclass(frozen=True)
class Shard:
    """What `read` returns: arrays by name, and the attributes that say how the file was made."""

    arrays: dict[str, np.ndarray]  # pixels of `opened` are Rows
    attributes: dict[str, Any]
    form: str | None = None  # of the file, where it does not hold its arrays as they are

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))


def write(
    path: str | Path,
    kind: str,
    arrays: Mapping[str, np.ndarray],
    attributes: Mapping[str, Any],
    form: str | None = None,
) -> None:
    """Write a shard of a kind in LAYOUT, whole or not at all.

    `attributes` must be what json can hold: options, seeds, versions. The same arrays and attributes
    give the same bytes. form: one of realgap.store.forms.FORMS, None for the one that the run asks for.
    Raises ValueError when an array does not fit the layout.
    """
    _check_layout(path, kind, arrays)
    with writing(path, kind, len(arrays[next(iter(LAYOUT[kind]))]), attributes, form) as append:
        append(arrays)


@contextlib.contextmanager
def writing(
    path: str | Path, kind: str, n: int, attributes: Mapping[str, Any], form: str | None = None
) -> Iterator[Callable[[Mapping[str, np.ndarray]], None]]:
    """Write a shard of n rows piece by piece: `append(arrays)` packs the next rows in a thread, and returns.

    Rows must stay as they are until the end. The bytes are those of `write` with all rows at once. Raises ValueError
    when rows do not fit the layout or are not n in the end.
    """
    form = forms.asked(kind) if form is None else forms.checked(kind, form)
    text = json.dumps(dict(attributes), sort_keys=True)

    def hold(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        _check_layout(path, kind, arrays)
        return forms.hold(form, arrays)

    def append(arrays: Mapping[str, np.ndarray]) -> None:
        pending.append(thread.submit(hold, arrays))

    pending: list[futures.Future] = []
    with futures.ThreadPoolExecutor(max_workers=1) as thread:
        yield append
    pieces = [piece.result() for piece in pending]
    pending.clear()  # what they hold is held once
    if not pieces or n != (got := sum(len(next(iter(arrays.values()))) for arrays, _ in pieces)):
        raise ValueError(f"{path}: must have {n} rows, got {got if pieces else 'none'}")
    arrays, held = (_of_pieces(parts) for parts in zip(*pieces, strict=True))
    del pieces
    header = {"format": FORMAT, "kind": kind, "attributes": text, "checksum": _digest(kind, text, arrays)}
    if form:
        header |= {"format": PACKED, "form": form}
        header["stored"] = _digest_held(header, held)
    content = io.BytesIO()
    with h5py.File(content, "w", libver="latest") as file:
        for name in forms.layout(form, LAYOUT[kind]):
            _dataset(file, name, held[name])
        _seal(file, header)
    files.write(path, content.getbuffer())


def write_union(
    path: str | Path, shards: Sequence[str | Path], attributes: Mapping[str, Any], known: Sequence[Shard] = ()
) -> None:
    """Write an "images" file that shows the rows of `shards` one after another without copying them.

    Sources are stored relative to `path`, so a results folder can be moved as a whole. known: what `read_all`
    says of the shards, where it has been asked.
    """
    path = Path(path)
    if not shards or len(set(map(os.path.abspath, shards))) < len(shards):
        raise ValueError(f"{path}: must be assembled from at least one shard, each of them once, got {len(shards)}")
    parts = known or read_all(shards, "images", on_disk=True)
    # HDF5 has no view of a picture in another form: such a union shows all else
    form = next((part.form for part in parts if part.form), None)
    classes = naming.carried(*(one.attributes for one in parts))
    lengths = [len(part) for part in parts]
    sources = [
        {"file": os.path.relpath(shard, path.parent), "checksum": one.attributes["checksum"], "items": n}
        for shard, one, n in zip(shards, parts, lengths, strict=True)
    ]
    text = json.dumps({**attributes, **classes, "sources": sources}, sort_keys=True)
    header = {"format": FORMAT, "kind": "images", "attributes": text, "checksum": _digest_union(text)}
    if form:
        header |= {"format": PACKED, "form": form}
    content = io.BytesIO()
    with h5py.File(content, "w", libver="latest") as file:
        for name in _names("images", form, union=True):
            file.create_virtual_dataset(name, _view(name, sources, parts[0]))
        _seal(file, header)
    files.write(path, content.getbuffer())


def read(path: str | Path, kind: str) -> Shard:
    """All arrays of a shard, after checking that it is whole, unaltered and of this kind.

    Raises ValueError naming the file when it is damaged, of another kind or format, or reaches
    outside itself in a way the layout does not have; FileNotFoundError when it is missing, another
    OSError with its errno when it cannot be read.
    """
    return _read(Path(path), kind, set())


def opened(path: str | Path) -> Shard:
    """`read` of "images" whose pixels stay on disk (realgap.store.rows), checked in one pass; raises what it does."""
    return _read(Path(path), "images", set(), on_disk=True)


def read_all(paths: Sequence[str | Path], kind: str, on_disk: bool = False) -> list[Shard]:
    """`read` for each of several shards that are used together. Raises ValueError also where their labels disagree.

    on_disk: of "images", that pixels stay there, as `opened` has it.
    """
    found = [_read(Path(path), kind, set(), on_disk) for path in paths]
    naming.joint(dict(zip(paths, (one.attributes for one in found), strict=True)))
    return found


def checksum(path: str | Path) -> str:
    """The checksum a shard carries, without reading its arrays. Raises ValueError naming a damaged file."""
    with _opened(path) as file:
        return file.attrs["checksum"].decode()


def kind(path: str | Path) -> str:
    """What kind of shard a file says it is, one of LAYOUT. Raises ValueError naming a damaged file."""
    with _opened(path) as file:
        found = file.attrs["kind"].decode()
    if found not in LAYOUT:
        raise ValueError(_damaged(path, f"must be a shard of {', '.join(LAYOUT)}, got one of {files.brief(found)}"))
    return found


def joint(checksums: Iterable[str]) -> str:
    """One checksum of several files, whichever their order; of one file its own."""
    ordered = sorted(checksums)
    return ordered[0] if len(ordered) == 1 else hashlib.sha256("".join(ordered).encode()).hexdigest()


def by_source(sources: Sequence[str], paths: Sequence[str]) -> dict[str, list[str]]:
    """The files of each source: all of the first in `paths`, then of the next, equally many.

    ValueError if they do not divide evenly.
    """
    each, rest = divmod(len(paths), len(sources))
    if rest:
        raise ValueError(f"shards: must be equally many of each of {len(sources)} sources; got {len(paths)}")
    return {source: list(paths[n * each : (n + 1) * each]) for n, source in enumerate(sources)}


def _read(path: Path, kind: str, shown: set[Path], on_disk: bool = False) -> Shard:
    """`read`; shown: the files whose rows a union around this one shows already; on_disk: where pixels stay."""

    def take(name: str) -> np.ndarray | Rows:
        return Rows.of(path, file[name]) if on_disk and name == "images" else file[name][()]

    if not path.is_file():
        raise FileNotFoundError(2, "No such file", str(path))
    with _opened(path) as file:
        header = _header(file)
        text, form = header["attributes"], header["form"]
        attributes = dict(json.loads(text))
        sources = [(_source(path, s["file"]), s["checksum"]) for s in attributes.get("sources", [])]
        wrong = _wrong_header(path, kind, header) or _wrong_storage(path, kind, file, form, bool(sources))
        held = {name: take(name) for name in _names(kind, form)} if not (wrong or sources) else {}
        if held and form:
            header["stored"] = file.attrs["stored"].decode()
    if wrong:
        raise ValueError(wrong)
    digest, arrays = (_digest_union(text), {}) if sources else _unpacked(path, header, held)
    if digest != header["checksum"]:
        raise ValueError(_damaged(path, "its content does not match its checksum"))
    if sources:
        arrays = _read_sources(path, kind, sources, shown, on_disk)
    _check_layout(path, kind, arrays)
    _check_labels(path, kind, arrays, attributes)
    return Shard(arrays, {**attributes, "checksum": digest}, form)


def _header(file: h5py.File) -> dict[str, Any]:
    """What a file says of itself; its form is None where it holds its arrays as they are."""
    header = {name: file.attrs[name] for name in HEADER}
    packed = header["format"] == PACKED
    texts = {name: header[name].decode() for name in HEADER[1:]}
    return {**header, **texts, "form": file.attrs["form"].decode() if packed else None}


def _unpacked(path: Path, header: Mapping[str, Any], held: Mapping[str, np.ndarray]) -> tuple[str, dict[str, Any]]:
    """(checksum, arrays) of what lies in a file, which is checked; so are pixels, but those that stay there packed."""
    kind, form, text = header["kind"], header["form"], header["attributes"]
    if form is None:
        return _digest(kind, text, held), dict(held)
    if header["stored"] != _digest_held(header, held):
        return "", {}
    try:
        arrays = forms.read(form, held)
    except ValueError as error:
        raise ValueError(_damaged(path, str(error))) from error
    on_disk = any(isinstance(array, Rows) for array in arrays.values())
    return header["checksum"] if on_disk else _digest(kind, text, arrays), arrays


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[h5py.File]:
    """A file to read. Whatever stops HDF5 or json from decoding it becomes one ValueError that names it.

    Without a lock: shards are never written in place, and many file systems of clusters cannot lock. An error of the
    system is an OSError that says so.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError) as e:
        if system := files.system_error(path, e):
            raise system from e
        raise ValueError(_damaged(path, f"not a complete shard ({type(e).__name__}: {files.brief(e)})")) from e


def _wrong_header(path: Path, kind: str, header: Mapping[str, Any]) -> str:
    """What is wrong with the format, kind and form a file says it has; empty when nothing is."""
    if header["format"] not in (FORMAT, PACKED):
        return _damaged(path, f"format must be {FORMAT} or {PACKED}, got {files.brief(header['format'])}")
    if header["kind"] != kind:
        return _damaged(path, f"must be a shard of {kind}, got one of {files.brief(header['kind'])}")
    if header["format"] == PACKED and header["form"] not in forms.FORMS.get(kind, ())[1:]:
        return _damaged(path, f"must have a form that {kind} can have, got {files.brief(header['form'])}")
    return ""


def _names(kind: str, form: str | None, union: bool = False) -> list[str]:
    """The arrays that lie in a file; HDF5 has no view of pictures in another form, so such a union shows all else."""
    if union and form:
        return [name for name in LAYOUT[kind] if name != "images"]
    return list(forms.layout(form, LAYOUT[kind]))


def _wrong_storage(path: Path, kind: str, file: h5py.File, form: str | None, union: bool) -> str:
    """No links out of the file and no filters: a shard from elsewhere must not reach other files or plugins.

    The views of a union are never opened: HDF5 keeps where they point to without a checksum.
    """
    names = _names(kind, form, union)
    if set(file) != set(names):
        return _damaged(path, f"must hold {', '.join(names)}, got {files.brief(', '.join(file))}")
    for name in names:
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            return _damaged(path, f"{name} is a link to elsewhere")
        if union:
            continue
        dtype, rank = forms.layout(form, LAYOUT[kind])[name]
        dataset = file[name]
        if not isinstance(dataset, h5py.Dataset):
            return _damaged(path, f"{name} is not an array")
        if (dataset.dtype, dataset.ndim) != (dtype, rank):
            return _damaged(path, f"{name} must be {dtype} of rank {rank}, is not")
        if dataset.external or dataset.is_virtual or dataset.id.get_create_plist().get_nfilters():
            return _damaged(path, f"{name} has filters or lives in other files")
        if dataset.id.get_storage_size() < dataset.nbytes:  # a few bytes that ask for terabytes
            return _damaged(path, f"{name} is not all there")
        if dataset.chunks not in (None, _chunks(dataset)):  # millions of pieces take minutes to read
            return _damaged(path, f"{name} must be in chunks of {CHUNK_ITEMS} rows, is in other ones")
    return ""


def _source(union: Path, source: str) -> Path:
    """Where a source of a union lies: in the union's study, nowhere else. Unions stand one folder deep in it."""
    path = Path(os.path.normpath(source))
    up = path.parts[:2].count("..")
    if path.is_absolute() or up > (union.absolute().parent.name == UNIONS):
        raise ValueError(f"{source} lies outside of the study")
    return Path(os.path.normpath(union.parent / path))


def _read_sources(
    path: Path, kind: str, sources: list[tuple[Path, str]], shown: set[Path], on_disk: bool
) -> dict[str, np.ndarray]:
    """The rows of a union, read from its sources: HDF5 would fill a missing one with zeros silently.

    Each file's once: a few unions that show each other twice would stand for terabytes.
    """
    parts = []
    for source, expected in sources:
        if not source.is_file():
            raise ValueError(f"{source}: is missing, and {path} shows its images; run snakemake again")
        if checksum(source) != expected:
            raise ValueError(f"{source}: has changed since {path} was assembled from it; {files.make_again()}")
        if source in shown:
            raise ValueError(_damaged(path, f"must show the rows of a file once, shows those of {source} again"))
        shown.add(source)
        parts.append(_read(source, kind, shown, on_disk))
    return {name: _joined([part[name] for part in parts]) for name in LAYOUT[kind]}


def _joined(parts: list[np.ndarray] | list[Rows]) -> np.ndarray | Rows:
    return Rows.joined(parts) if isinstance(parts[0], Rows) else np.concatenate(parts)


def _of_pieces(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays that came in pieces; what is said of all rows alike stands in each piece."""
    if len(parts) == 1:
        return dict(parts[0])
    return {
        name: parts[0][name] if name == "shape" else np.concatenate([part[name] for part in parts]) for name in parts[0]
    }


def _dataset(file: h5py.File, name: str, array: np.ndarray) -> None:
    """The array, laid out beforehand, with no note of the time."""
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    chunks = _chunks(array)
    dataset = file.create_dataset(name, array.shape, array.dtype, chunks=chunks, track_times=False, dcpl=layout)
    dataset[...] = array


def _chunks(array: np.ndarray | h5py.Dataset) -> tuple[int, ...] | None:
    """Those that an array lies in; None: in one piece, as an empty one and bytes do."""
    if not all(array.shape[:1]) or (array.dtype, array.ndim) == ("uint8", 1):
        return None
    return (min(CHUNK_ITEMS, array.shape[0]), *array.shape[1:])


def _view(name: str, sources: list[dict[str, Any]], like: Shard) -> h5py.VirtualLayout:
    shape, dtype = like[name].shape[1:], like[name].dtype
    layout = h5py.VirtualLayout((sum(source["items"] for source in sources), *shape), dtype)
    start = 0
    for source in sources:
        stop = start + source["items"]
        layout[start:stop] = h5py.VirtualSource(source["file"], name, (source["items"], *shape), dtype)
        start = stop
    layout.dcpl.set_obj_track_times(False)  # the time of day would make equal unions differ
    return layout


def _seal(file: h5py.File, header: Mapping[str, Any]) -> None:
    file.attrs["format"] = header["format"]
    # of fixed length, which HDF5 keeps under its own checksums: one flipped bit in others can hang the library
    for name in [one for one in (*HEADER[1:], *OF_PACKED) if one in header]:
        encoded = header[name].encode()
        file.attrs.create(name, encoded, dtype=h5py.string_dtype("utf-8", len(encoded)))


def _digest(kind: str, text: str, arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over the attributes and each array's name, dtype, shape and bytes; the same in each form."""
    return _sha256(f"{FORMAT}\n{kind}\n{text}\n", {name: arrays[name] for name in LAYOUT[kind]})


def _digest_held(header: Mapping[str, Any], held: Mapping[str, np.ndarray]) -> str:
    """The same over all that a file of another form says and holds, but this digest."""
    said = "\n".join(str(header[name]) for name in (*HEADER, "form"))
    return _sha256(f"{said}\n", {name: held[name] for name in _names(header["kind"], header["form"])})


def _sha256(first: str, arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(first.encode())
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        for block in array.blocks() if isinstance(array, Rows) else [array]:
            digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()


def _digest_union(text: str) -> str:
    """SHA-256 over the attributes, which hold the sources' checksums."""
    return hashlib.sha256(text.encode()).hexdigest()


def _check_layout(path: str | Path, kind: str, arrays: Mapping[str, np.ndarray]) -> None:
    if set(arrays) != set(LAYOUT[kind]):
        raise ValueError(f"{path}: a shard of {kind} must hold {', '.join(LAYOUT[kind])}, got {', '.join(arrays)}")
    for name, (dtype, rank) in LAYOUT[kind].items():
        array = arrays[name]
        if array.dtype != dtype or array.ndim != rank:
            raise ValueError(f"{path}: {name} must be {dtype} of rank {rank}, got {array.dtype} of rank {array.ndim}")
    if len({len(array) for array in arrays.values()}) > 1:
        lengths = ", ".join(f"{name} {len(array)}" for name, array in arrays.items())
        raise ValueError(f"{path}: all arrays must be equally long, got {lengths}")


def _check_labels(path: str | Path, kind: str, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any]) -> None:
    """Each row's label is that of a class that the file names; positions among `classes` are no labels."""
    known = attributes.get(naming.KEY)
    if known is None or kind in POSITIONS:
        return
    if strange := set(np.unique(arrays["labels"]).tolist()) - set(known.values()):
        raise ValueError(_damaged(path, f"must name the class of each label, label {min(strange)} has none"))


def _damaged(path: str | Path, what: str) -> str:
    return f"{path}: {what}; {files.make_again()}"
