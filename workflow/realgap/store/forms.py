"""In which form a file holds its largest arrays: as they are, as WebP without loss, or in half precision.

WebP gives the same pixels back; float16 rounds once, when a file is written. A file says which form it has.
"""

import io
import json
import os
from collections.abc import Mapping

import numpy as np
from PIL import Image

from realgap.store.rows import Packed, Rows

# of a run's environment: the config's section `store` as JSON. No rule's options hold it: it would run all steps again
ASKED = "REALGAP_STORE"
WEBP, HALF = "webp", "float16"
# kind -> its forms; the first one holds all arrays as they are
FORMS = {"images": ("raw", WEBP), "embeddings": ("float32", HALF), "moments": ("float32", HALF)}
HALVED = ("embeddings", "mean", "std")
MOST_PX = 8192  # of a side
# What photographs of 64 px come down to, and the time that one takes, for (quality, method): (0, 0) 0.53 and 0.2 ms,
# (20, 1) 0.51 and 0.6 ms, (50, 2) 0.50 and 1.2 ms, (80, 4) 0.49 and 6.1 ms. Unpacking takes 0.12 ms with each.
PACKING = {"format": "WEBP", "lossless": True, "quality": 20, "method": 1}


def asked(kind: str) -> str | None:
    """The form that the run asks for, None for arrays as they are."""
    return checked(kind, json.loads(os.environ.get(ASKED, "{}")).get(kind))


def checked(kind: str, form: str | None) -> str | None:
    """`form`, None for the one of arrays as they are. ValueError for one that a kind does not have."""
    known = FORMS.get(kind, ())
    if form is not None and form not in known:
        raise ValueError(f"store.{kind}: must be {' or '.join(known) or 'left out'}; got {form}")
    return None if form is None or form == known[0] else form


def layout(form: str | None, plain: Mapping[str, tuple[str, int]]) -> dict[str, tuple[str, int]]:
    """{array: (dtype, rank)} of what lies in a file, from what is read from it."""
    if form == WEBP:
        # each picture's file, one after another; the length of each; height, width and channels of all
        return {**plain, "images": ("uint8", 1), "lengths": ("int64", 1), "shape": ("int64", 1)}
    if form == HALF:
        return {name: (HALF, rank) if name in HALVED else (dtype, rank) for name, (dtype, rank) in plain.items()}
    return dict(plain)


def hold(form: str | None, arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(what will be read, what lies in the file) of some rows. ValueError for numbers too large for float16."""
    if form == WEBP:
        _check_shape(arrays["images"].shape[1:])
        pictures = [_picture(image) for image in arrays["images"]]
        content = np.frombuffer(b"".join(pictures), np.uint8)
        lengths = np.array([len(picture) for picture in pictures], np.int64)
        shape = np.array(arrays["images"].shape[1:], np.int64)
        return dict(arrays), {**arrays, "images": content, "lengths": lengths, "shape": shape}
    if form == HALF:
        held = {name: _halved(name, array) if name in HALVED else array for name, array in arrays.items()}
        return {name: array.astype(arrays[name].dtype) for name, array in held.items()}, held
    return dict(arrays), dict(arrays)


def read(form: str | None, held: Mapping[str, np.ndarray | Rows]) -> dict[str, np.ndarray | Rows]:
    """The arrays that `hold` was given. ValueError where they are not what a file of this form holds."""
    if form == WEBP:
        kept = {name: array for name, array in held.items() if name not in ("lengths", "shape")}
        return {**kept, "images": _pictures(held["images"], held["lengths"], held["shape"])}
    if form == HALF:
        return {name: array.astype(np.float32) if name in HALVED else array for name, array in held.items()}
    return dict(held)


def picture(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The pixels of one WebP file, uint8 of this shape (height, width, 3). ValueError where it does not hold them."""
    try:
        with Image.open(io.BytesIO(content), formats=["WEBP"]) as opened:
            if (opened.mode, opened.size) == ("RGB", (shape[1], shape[0])):
                return np.asarray(opened)
    except (OSError, EOFError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"a picture in it is no WebP: {error}") from error
    raise ValueError(f"a picture in it must be RGB of {shape[1]} by {shape[0]} px, is not")


def _pictures(content: np.ndarray | Rows, lengths: np.ndarray, shape: np.ndarray) -> np.ndarray | Rows:
    """Pixels uint8 (n, height, width, 3) from the bytes of n pictures; those of bytes that stay on disk stay there."""
    _check_shape(tuple(shape.tolist()))
    if ((lengths <= 0) | (lengths > len(content))).any() or int(lengths.sum()) != len(content):
        raise ValueError(f"lengths must be those of pictures of {len(content)} bytes in all, are not")
    starts, own = np.concatenate([[0], np.cumsum(lengths)]), tuple(shape.tolist())
    if isinstance(content, Rows):
        return content.unpacked(Packed(starts, picture), own)
    images = np.empty((len(lengths), *own), np.uint8)
    for image, first, stop in zip(images, starts, starts[1:], strict=False):
        image[...] = picture(content[first:stop].tobytes(), own)
    return images


def _picture(image: np.ndarray) -> bytes:
    written = io.BytesIO()
    Image.fromarray(image).save(written, **PACKING)
    return written.getvalue()


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) != 3 or shape[2] != 3 or not all(0 < side <= MOST_PX for side in shape):
        raise ValueError(f"images must be RGB of 1 to {MOST_PX} px a side to be stored as WebP, are not")


def _halved(name: str, array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        half = array.astype(HALF)
    if (np.isinf(half) & ~np.isinf(array)).any():
        raise ValueError(f"{name} must lie within 65,504 of zero to be stored in float16, do not")
    return half
