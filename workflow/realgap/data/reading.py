"""Picture files as uint8 RGB. How a file of more than 8 bits or one with transparent pixels looks is never guessed."""

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from realgap.data.folders import FORMATS
from realgap.data.images import from_unit

BACKGROUNDS = {"black": 0, "grey": 128, "white": 255}

_GREY = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")  # Pillow's modes of more than 8 bits
_WHITE = (255, 1023, 4095, 16383, 65535)  # of 8, 10, 12, 14 and 16 bits
_BITS, _PHOTOMETRIC, _ORIENTATION, _PLANES, _SAMPLE_FORMAT = 258, 262, 274, 284, 339  # tags of TIFF
_WHITE_IS_ZERO, _RGB, _INTERLEAVED, _SIGNED = 0, 2, 1, 2


def read(
    path: str | Path,
    value_range: Sequence[float] | None = None,
    background: str | None = None,
    side: int | None = None,
) -> np.ndarray:
    """A picture file as uint8 (h, w, 3): upright, the first frame, grey repeated.

    value_range: the values that are black and white in files of more than 8 bits. Without it only unsigned 16 bits are
    read, where an image reaches the upper half of them (or is black). background: one of BACKGROUNDS, for what is seen
    through transparent pixels. side: a large JPEG may be decoded at a half, a quarter or an eighth of its sides, as
    long as the shorter one keeps twice so many pixels. Raises ValueError naming a file that is no picture, is cut off,
    is too large to be one (Pillow's limit), or whose look these leave open; OSError naming one that the system cannot
    read.
    """
    if not Path(path).is_file():
        raise ValueError(f"{path}: must be a file, and is none")
    return _decoded(path, str(path), lambda: np.fromfile(path, np.uint8), value_range, background, side)


def decode(
    encoded: bytes,
    name: str,
    value_range: Sequence[float] | None = None,
    background: str | None = None,
    side: int | None = None,
) -> np.ndarray:
    """The bytes of a picture file likewise; name: what a message calls it."""
    file = io.BytesIO(encoded)
    return _decoded(file, name, lambda: np.frombuffer(encoded, np.uint8), value_range, background, side)


def of_array(
    values: np.ndarray,
    name: str,
    value_range: Sequence[float] | None = None,
    background: str | None = None,
    side: Any = None,
) -> np.ndarray:
    """Values (h, w), (h, w, 1) or (h, w, 3) as uint8 (h, w, 3), grey repeated; more than 8 bits as `read` has them."""
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[2] not in (1, 3):
        raise ValueError(f"{name}: must be (h, w), (h, w, 1) or (h, w, 3); got {values.shape}")
    if values.dtype != np.uint8:
        try:
            values = from_unit(_unit(values.astype(np.float64), values.dtype == np.uint16, value_range))
        except _Unclear as error:
            raise ValueError(f"{name}: {error}") from error
    return np.repeat(values, 3, axis=2) if values.shape[2] == 1 else np.ascontiguousarray(values)


def _decoded(
    source: str | Path | io.BytesIO,
    name: str,
    raw: Callable[[], np.ndarray],
    value_range: Sequence[float] | None,
    background: str | None,
    side: int | None,
) -> np.ndarray:
    try:
        # never by its name: Pillow 13 maps such a file into memory, and takes the sides of a TIFF that is to be turned
        # for those of what is stored
        with (
            source if isinstance(source, io.BytesIO) else open(source, "rb") as opened,
            Image.open(opened, formats=tuple(FORMATS)) as file,
        ):
            _refuse_inverted(file)
            if file.mode in _GREY:
                return _deep_grey(file, value_range, background)
            if _is_deep(file):
                return _deep_colour(file, raw, value_range, background)
            _reduce(file, side)
            return _eight_bits(ImageOps.exif_transpose(file), background)
    except _Unclear as error:
        raise ValueError(f"{name}: {error}") from error
    except MemoryError:
        raise
    except Exception as error:  # decoders raise whatever comes of a broken file
        if isinstance(error, OSError) and error.errno:
            raise OSError(error.errno, f"{name}: could not be read: {error.strerror}") from error
        raise ValueError(f"{name}: must be a picture that Pillow can read; {error}") from error


def _reduce(file: Image.Image, side: int | None) -> None:
    """Let a JPEG decode fewer pixels, where its shorter side has more than `side` needs."""
    if side is not None and file.format == "JPEG" and min(file.size) >= 4 * side:
        share = 2 * side / min(file.size)
        file.draft(file.mode, (math.ceil(file.width * share), math.ceil(file.height * share)))


class _Unclear(ValueError):
    """What a file holds can be seen in more than one way."""


def _refuse_inverted(file: Image.Image) -> None:
    """What Pillow reads as other numbers than a TIFF holds: signed bytes, and white at zero in more than 8 bits."""
    tags = getattr(file, "tag_v2", {})
    if _SIGNED in tags.get(_SAMPLE_FORMAT, ()) and tags.get(_BITS, (1,))[0] == 8:
        raise _Unclear("must hold unsigned bytes, holds signed ones")
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO and max(tags.get(_BITS, (1,))) > 8:
        raise _Unclear("must have black at zero, has white there")


def _is_deep(file: Image.Image) -> bool:
    """Whether colours are stored in more than 8 bits, of which Pillow keeps the upper ones without a word."""
    if file.format == "TIFF":
        return max(file.tag_v2.get(_BITS, (1,))) > 8
    if file.format == "PPM":  # smaller maxima are declared, and Pillow obeys them
        return file.tile[0].args == ("RGB", 65535)
    return file.format == "PNG" and file.tile[0].args.endswith(";16B")


def _eight_bits(upright: Image.Image, background: str | None) -> np.ndarray:
    if upright.has_transparency_data:
        whole = upright.convert("RGBA")
        if whole.getextrema()[3][0] < 255:
            behind = Image.new("RGBA", whole.size, (*[_behind(background)] * 3, 255))
            return np.asarray(Image.alpha_composite(behind, whole).convert("RGB"))
        if upright.mode not in ("P", "L", "RGB", "LA", "RGBA"):
            upright = whole
    return np.asarray(upright.convert("RGB"))


def _deep_grey(file: Image.Image, value_range: Sequence[float] | None, background: str | None) -> np.ndarray:
    clear = file.info.get("transparency")
    scaled = file.format == "PPM" and file.tile[0].codec_name == "ppm"  # by the maximum that the file declares
    unsigned = file.mode.startswith("I;16") or file.format == "PPM" and file.mode == "I"
    grey = np.asarray(ImageOps.exif_transpose(file)).astype(np.float64)[..., None]
    unit = grey / 65535 if scaled else _unit(grey, unsigned, value_range)
    if clear is not None:
        unit = np.where(grey == clear, _behind(background) / 255, unit) if (grey == clear).any() else unit
    return np.repeat(from_unit(unit), 3, axis=-1)


def _deep_colour(
    file: Image.Image,
    raw: Callable[[], np.ndarray],
    value_range: Sequence[float] | None,
    background: str | None,
) -> np.ndarray:
    import cv2  # Pillow has no mode for such images

    tags = getattr(file, "tag_v2", {})
    plain = tags.get(_PHOTOMETRIC, _RGB) == _RGB and tags.get(_PLANES, _INTERLEAVED) == _INTERLEAVED
    if not plain or file.mode not in ("RGB", "RGBA") or "RGBa" in str(file.tile[0].args) or "transparency" in file.info:
        raise _Unclear("must be interleaved RGB, with alpha or without, to have more than 8 bits a colour; convert it")
    if file.getexif().get(_ORIENTATION, 1) != 1:
        raise _Unclear("must be stored upright to have more than 8 bits a colour; turn it")
    values = cv2.imdecode(raw(), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.ndim != 3 or values.shape[2] not in (3, 4):
        raise _Unclear("must be a picture that OpenCV can read to have more than 8 bits a colour")
    unit = _unit(values[..., 2::-1].astype(np.float64), True, value_range)
    if values.shape[2] == 4 and values[..., 3].min() < 65535:
        alpha = values[..., 3:] / 65535
        unit = unit * alpha + _behind(background) / 255 * (1 - alpha)
    return from_unit(unit)


def _unit(values: np.ndarray, unsigned: bool, value_range: Sequence[float] | None) -> np.ndarray:
    """Values of more than 8 bits from black 0 to white 1."""
    low, high = values.min(), values.max()
    if not np.isfinite([low, high]).all():
        raise _Unclear("values must be finite numbers, and some are NaN or infinite")
    if value_range is None:
        if unsigned and (high >= 2**15 or high == 0):
            return values / 65535
        bits = "16 bits" if unsigned else "32 or signed bits"
        white = next((white for white in _WHITE if high <= white), f"{high:g}")
        white = 1 if not unsigned and high <= 1 else white
        raise _Unclear(
            f"values of {bits} go from {low:g} to {high:g}, which may be dark or of another range; set "
            f"dataset.value_range to the values that are black and white, such as [{min(low, 0):g}, {white}]"
        )
    black, white = value_range
    if low < black or high > white:
        raise _Unclear(
            f"values must be from {black:g} to {white:g} by dataset.value_range, go from {low:g} to {high:g}"
        )
    return (values - black) / (white - black)


def _behind(background: str | None) -> int:
    if background is None:
        raise _Unclear(
            f"has transparent pixels; set dataset.background to what is behind them, {', '.join(BACKGROUNDS)}"
        )
    return BACKGROUNDS[background]
