"""realgap.data.reading: a picture file gives the pixels that it holds, or one line. The files are written by hand."""

import io
import os
import struct
import subprocess
import sys
import zlib
from dataclasses import dataclass

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from realgap.data import images, reading

RANDOM = np.random.default_rng(0)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(values, bits, *chunks):
    """PNG of values (h, w, channels): 1 grey, 2 grey and alpha, 3 colours, 4 colours and alpha (ISO/IEC 15948)."""
    height, width, channels = values.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    if bits < 8:
        lines = [
            np.packbits((row[:, :1] >> np.arange(bits)[::-1]) & 1) for row in values[..., 0].reshape(height, -1, 1)
        ]
    else:
        lines = [row.astype(f">u{bits // 8}") for row in values]
    packed = zlib.compress(b"".join(b"\0" + line.tobytes() for line in lines))
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    body = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", packed), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def pnm(values, most):
    """Binary PGM or PPM of values (h, w, 1 or 3) up to `most`."""
    height, width, channels = values.shape
    head = f"P{5 if channels == 1 else 6}\n{width} {height}\n{most}\n".encode()
    return head + values.astype(">u2" if most > 255 else "u1").tobytes()


def bmp(values):
    """BMP of values uint8 (h, w, 3), its rows from below, each a multiple of 4 bytes."""
    height, width, _ = values.shape
    rows = np.zeros((height, -(-width * 3 // 4) * 4), np.uint8)
    rows[:, : width * 3] = values[::-1, :, ::-1].reshape(height, -1)
    head = struct.pack("<2sIHHI", b"BM", 54 + rows.size, 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, rows.size, 0, 0, 0, 0) + rows.tobytes()


def tiff(values, **settings):
    """TIFF of values (h, w), (h, w, c), or (c, h, w) in planes, by an independent writer."""
    file = io.BytesIO()
    tifffile.imwrite(file, values, **{"photometric": "rgb" if values.ndim == 3 else "minisblack", **settings})
    return file.getvalue()


@pytest.fixture
def look(tmp_path):
    """look(content, ...) is what `read` makes of a file of that content."""

    def look(content, name="a.png", **how):
        (tmp_path / name).write_bytes(content)
        return reading.read(tmp_path / name, **how)

    return look


def whole(values, most):
    """What values from 0 to `most` look like: uint8 (h, w, 3)."""
    return np.broadcast_to(np.rint(values / most * 255).astype(np.uint8), (*values.shape[:2], 3))


def drawn(most, channels=1, shape=(5, 7)):
    """Random values that reach 0 and `most`."""
    values = RANDOM.integers(0, most + 1, (*shape, channels))
    values[0, 0], values[-1, -1] = 0, most
    return values


# --- files of 8 bits and less ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_of_few_bits_is_stretched_over_8(look, bits):
    values = drawn(2**bits - 1)
    np.testing.assert_array_equal(look(png(values, bits)), whole(values, 2**bits - 1), strict=True)


@pytest.mark.parametrize("write", [lambda v: png(v, 8), lambda v: pnm(v, 255), bmp, lambda v: tiff(v.astype("u1"))])
def test_colours_of_8_bits_are_read_as_they_are(look, write):
    values = drawn(255, 3)
    for how in ({}, {"value_range": [0, 4095], "background": "white"}):
        np.testing.assert_array_equal(look(write(values), **how), values.astype(np.uint8), strict=True)


def test_opaque_alpha_changes_nothing(look):
    values = drawn(255, 4)
    values[..., 3] = 255
    np.testing.assert_array_equal(look(png(values, 8)), values[..., :3].astype(np.uint8), strict=True)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("most", [100, 255, 1000, 4095])
def test_the_maximum_that_a_file_declares_is_white(look, channels, most):
    values = drawn(most, channels)
    assert abs(look(pnm(values, most)).astype(int) - whole(values, most)).max() <= 1  # Pillow cuts some off


# --- more than 8 bits -----------------------------------------------------------------------------------------------

DEEP = {
    "grey PNG": lambda v: png(v[..., :1], 16),
    "colour PNG": lambda v: png(v, 16),
    "grey TIFF": lambda v: tiff(v[..., 0].astype("<u2")),
    "grey TIFF, big-endian": lambda v: tiff(v[..., 0].astype(">u2"), byteorder=">"),
    "grey TIFF, compressed": lambda v: tiff(v[..., 0].astype("u2"), compression="zlib"),
    "colour TIFF": lambda v: tiff(v.astype("u2")),
    "colour TIFF, compressed": lambda v: tiff(v.astype("u2"), compression="zlib"),
    "grey PGM": lambda v: pnm(v[..., :1], 65535),
    "colour PPM": lambda v: pnm(v, 65535),
}


def as_stored(name, values):
    return values[..., :1] if name.startswith("grey") else values


@pytest.mark.parametrize("name", DEEP)
def test_16_bits_of_which_the_upper_half_is_used_are_read(look, name):
    values = drawn(65535, 3)
    np.testing.assert_array_equal(look(DEEP[name](values)), whole(as_stored(name, values), 65535), strict=True)


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize(("most", "white"), [(200, 255), (3900, 4095), (30000, 65535)])
def test_fewer_bits_in_16_are_refused_and_read_by_the_range_that_is_said(look, name, most, white):
    values = drawn(most, 3)
    with pytest.raises(ValueError, match=rf"a\.png: values of 16 bits go from 0 to {most}, .*such as \[0, {white}\]"):
        look(DEEP[name](values))
    read = look(DEEP[name](values), value_range=[0, white])
    np.testing.assert_array_equal(read, whole(as_stored(name, values), white), strict=True)
    assert read.max() > 110


@pytest.mark.parametrize("name", DEEP)
def test_values_outside_of_the_range_that_is_said_are_refused(look, name):
    with pytest.raises(
        ValueError, match=r"a\.png: values must be from 0 to 4095 by dataset\.value_range, go from 0 to"
    ):
        look(DEEP[name](drawn(4096, 3)), value_range=[0, 4095])


def test_black_is_black_however_many_bits_it_has(look):
    assert not look(png(np.zeros((3, 4, 1), int), 16)).any()


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint32", "float32"])
@pytest.mark.parametrize("most", [1, 255, 4095])
def test_signed_wide_and_real_numbers_are_read_by_the_range_alone(look, dtype, most):
    values = drawn(most)[..., 0].astype(dtype)
    with pytest.raises(ValueError, match=r"a\.tif: values of 32 or signed bits go from 0 to "):
        look(tiff(values), "a.tif")
    read = look(tiff(values), "a.tif", value_range=[0, most])
    np.testing.assert_array_equal(read, whole(values[..., None].astype(float), most), strict=True)


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
def test_a_range_may_begin_below_zero(look, dtype):
    values = np.array([[-1000, 0, 3000]], dtype)
    assert look(tiff(values), "a.tif", value_range=[-1000, 3000])[0, :, 0].tolist() == [0, 64, 255]


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused_whatever_range_is_said(look, odd):
    values = np.zeros((4, 5), np.float32)
    values[2, 3] = odd
    for value_range in (None, [0, 1]):
        with pytest.raises(ValueError, match=r"a\.tif: values must be finite numbers"):
            look(tiff(values), "a.tif", value_range=value_range)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda: tiff(np.full((3, 4), -7, np.int8)), "must hold unsigned bytes"),
        (lambda: tiff(np.full((3, 4), 9, np.uint16), photometric="miniswhite"), "must have black at zero"),
        (lambda: tiff(np.full((3, 4, 4), 9, np.uint16), photometric="separated"), "must be interleaved RGB"),
        (lambda: tiff(np.full((3, 4, 4), 9, np.uint16), extrasamples=["assocalpha"]), "must be interleaved RGB"),
        (lambda: tiff(np.full((3, 4, 3), 9, np.float32)), "must be a picture that Pillow can read"),
        (lambda: tiff(np.full((3, 4, 5), 9, np.uint16), planarconfig="separate"), "must be interleaved RGB"),
        (lambda: tiff(np.full((3, 4), 9, np.float64)), "must be a picture that Pillow can read"),
        (
            lambda: tiff(np.full((3, 4, 3), 40000, np.uint16), extratags=[(274, "H", 1, 6, True)]),
            "must be stored upright",
        ),
    ],
)
def test_what_libraries_read_as_other_numbers_is_refused_by_name(look, content, said):
    with pytest.raises(ValueError, match=rf"/a\.tif: {said}"):
        look(content(), "a.tif", value_range=[0, 65535])


# --- transparent pixels ---------------------------------------------------------------------------------------------


def palette(transparent):
    image = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4) % 3, "P")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    file = io.BytesIO()
    image.save(file, "PNG", **({"transparency": 0} if transparent else {}))
    return file.getvalue()


def black_on_nothing(channels, bits):
    """A black disk that alpha alone shows."""
    values = np.zeros((9, 9, channels), int)
    y, x = np.mgrid[-4:5, -4:5]
    values[..., -1] = np.where(x**2 + y**2 < 9, 2**bits - 1, 0)
    return values


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [2, 4])
def test_black_on_transparent_is_refused_until_what_is_behind_is_said(look, channels, bits):
    values = black_on_nothing(channels, bits)
    with pytest.raises(ValueError, match=r"a\.png: has transparent pixels; set dataset\.background"):
        look(png(values, bits))
    for name, grey in reading.BACKGROUNDS.items():
        read = look(png(values, bits), background=name)
        np.testing.assert_array_equal(read, whole(grey * (values[..., -1:] == 0), 255))


@pytest.mark.parametrize("bits", [8, 16])
def test_half_transparent_colours_are_mixed_with_what_is_behind(look, bits):
    most = 2**bits - 1
    values = drawn(most, 4)
    values[..., 3] = most // 2
    read = look(png(values, bits), background="white").astype(int)
    alpha = (most // 2) / most
    assert abs(read - 255 * (values[..., :3] / most * alpha + 1 - alpha)).max() <= 1


def test_a_transparent_colour_of_a_palette_or_a_key_counts_as_transparent(look):
    np.testing.assert_array_equal(look(palette(False))[0, :3], [[0, 0, 0], [255, 0, 0], [0, 255, 0]])
    key = chunk(b"tRNS", struct.pack(">HHH", 0, 0, 0))
    colours = np.array([[[0, 0, 0], [255, 0, 0], [0, 255, 0]]])
    grey = chunk(b"tRNS", struct.pack(">H", 0))
    deep = png(np.array([[[0], [32896], [65535]]]), 16, grey)
    for content in (palette(True), png(colours, 8, key), deep):
        with pytest.raises(ValueError, match="has transparent pixels"):
            look(content)
        assert look(content, background="white")[0, 0].tolist() == [255, 255, 255]
    assert look(deep, background="white")[0, 1].tolist() == [128, 128, 128]
    unused = chunk(b"tRNS", struct.pack(">H", 5))
    assert look(png(np.array([[[0], [32896], [65535]]]), 16, unused))[0, 1].tolist() == [128, 128, 128]


# --- what is no picture ---------------------------------------------------------------------------------------------


def test_a_program_for_a_printer_is_not_run(look, tmp_path, monkeypatch):
    started = tmp_path / "started"
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {started}\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n0 0 8 8 rectfill\nshowpage\n%%EOF\n"
    with pytest.raises(ValueError, match=r"a\.png: must be a picture"):
        look(eps)
    assert not started.exists()
    code = "import io, sys; from PIL import Image; Image.open(io.BytesIO(sys.stdin.buffer.read())).load()"
    subprocess.run([sys.executable, "-c", code], input=eps, capture_output=True)
    assert started.exists(), "the program of this test is none"


def test_a_pipe_a_device_and_a_folder_are_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "nowhere.png").symlink_to("gone")
    for path in (tmp_path / "pipe.png", tmp_path / "folder.png", tmp_path / "nowhere.png", "/dev/zero"):
        with pytest.raises(ValueError, match=f"{path}: must be a file, and is none"):
            reading.read(path)


def test_what_the_system_cannot_read_is_said_with_its_reason(tmp_path):
    (tmp_path / "a.png").symlink_to("/proc/self/mem")  # a file that opens and gives EIO
    with pytest.raises(OSError, match=r"a\.png: could not be read: Input/output error") as caught:
        reading.read(tmp_path / "a.png")
    assert caught.value.errno == 5


few = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MODES = [(1, 1), (2, 1), (4, 1), (8, 1), (8, 2), (8, 3), (8, 4), (16, 1), (16, 2), (16, 3), (16, 4)]


@few
@given(data=st.data())
def test_any_picture_is_read_right_or_refused_in_one_line(tmp_path, data):
    """Formats x modes x ranges: the pixels that numpy makes of the same numbers, to one grey level."""
    bits, channels = data.draw(st.sampled_from(MODES))
    kind = data.draw(
        st.sampled_from(["png"] + ["tif"] * (bits >= 8 and channels != 2) + ["ppm"] * (channels in (1, 3)))
    )
    most = data.draw(st.sampled_from([2**bits - 1, max(1, 2**bits // 3), max(1, 2**bits // 20)]))
    said = data.draw(st.sampled_from([None, [0, 255], [0, most], [0, 65535]]))
    background = data.draw(st.sampled_from([None, *reading.BACKGROUNDS]))
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    values = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, most + 1, (*shape, channels))
    if kind == "png":
        content = png(values, bits)
    elif kind == "tif":
        stored = values.astype(f"u{bits // 8}")
        content = tiff(stored[..., 0] if channels == 1 else stored, **{"extrasamples": [2]} if channels == 4 else {})
    else:
        content = pnm(values, 2**bits - 1)
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content)
    try:
        read = reading.read(path, said, background).astype(float)
    except ValueError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
        colours = values[..., : channels - (channels in (2, 4))]
        clear = channels in (2, 4) and values[..., -1].min() < 2**bits - 1
        dark = bits == 16 and said is None and 0 < colours.max() < 2**15
        outside = bits == 16 and said is not None and colours.max() > said[1]
        assert clear and background is None or dark or outside, str(error)  # noqa: PT017
        return
    white = said[1] if said and bits == 16 else 2**bits - 1
    colours = values[..., : channels - (channels in (2, 4))] / white
    alpha = values[..., -1:] / (2**bits - 1) if channels in (2, 4) else 1.0
    expected = 255 * colours * alpha + reading.BACKGROUNDS.get(background, 0) * (1 - alpha)
    assert abs(read - expected).max() <= 1


# --- formats x modes x ranges, by other writers -----------------------------------------------------------------------


TURNED = {
    1: lambda values: values,
    2: lambda values: values[:, ::-1],
    3: lambda values: values[::-1, ::-1],
    4: lambda values: values[::-1],
    5: lambda values: values.swapaxes(0, 1),
    6: lambda values: values.swapaxes(0, 1)[:, ::-1],
    7: lambda values: values.swapaxes(0, 1)[::-1, ::-1],
    8: lambda values: values.swapaxes(0, 1)[::-1],
}  # what is seen of stored values by EXIF's number of their orientation


@dataclass
class Drawn:
    """A picture file, and what is seen in it: float (h, w, 3) from 0 to 255, alpha (h, w, 1) from 0 to 1."""

    content: bytes
    seen: np.ndarray
    alpha: np.ndarray | float = 1.0
    error: int = 0  # levels by which a lossy format may be off
    is_open: bool = False  # whether what is seen is not known without more words


def pillow(image, kind, turned=1, **how):
    exif = Image.Exif()
    exif[274] = turned
    file = io.BytesIO()
    image.save(file, kind, **({"exif": exif} if turned > 1 else {}), **how)
    return file.getvalue()


def smooth(data, channels):
    """What lossy formats keep: slow waves."""
    height, width = data.draw(st.tuples(st.integers(16, 40), st.integers(16, 40)))
    phases = np.random.default_rng(data.draw(st.integers(0, 9))).uniform(0, 6, channels)
    y, x = np.mgrid[:height, :width][..., None] / 12
    return np.rint(127 + 90 * np.sin(x + phases) * np.cos(y - phases)).astype(np.uint8)


def some(data, channels, dtype=np.uint8, low=0, high=255):
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    values = np.random.default_rng(data.draw(st.integers(0, 99))).integers(low, high + 1, (*shape, channels))
    return values.astype(dtype)


def colours_of(values):
    return np.broadcast_to(values.astype(float), (*values.shape[:2], 3))


def without_palette(data, kind):
    """BMP, lossless WebP and PNG: grey or colours, alpha where the format has it, turned where it can say so."""
    channels = data.draw(st.sampled_from([3] if kind == "BMP" else [3, 4] if kind == "WEBP" else [1, 2, 3, 4]))
    values, turned = some(data, channels), data.draw(st.sampled_from([1] if kind == "BMP" else [*TURNED]))
    how = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    image = Image.fromarray(
        values[..., 0] if channels == 1 else values, {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    )
    seen = TURNED[turned](values)
    alpha = seen[..., -1:] / 255 if channels in (2, 4) else 1.0
    return Drawn(pillow(image, kind, turned, **how), colours_of(seen[..., : channels - (channels in (2, 4))]), alpha)


def with_palette(data, kind):
    """PNG, GIF, BMP and TIFF of 1 to 256 colours, one of them transparent or, in PNG, several half so."""
    count = data.draw(st.sampled_from([2, 3, 16, 17, 256]))
    palette = np.random.default_rng(count).integers(0, 256, (count, 3))
    values = some(data, 1, high=count - 1)
    image = Image.fromarray(values[..., 0], "P")
    image.putpalette(palette.astype(np.uint8).tobytes())
    clear = data.draw(st.sampled_from([None, "one", "all"][: {"PNG": 3, "GIF": 2}.get(kind, 1)]))
    given = {None: np.full(count, 255), "one": np.where(np.arange(count) == 1, 0, 255), "all": np.arange(count) % 256}
    how = {None: {}, "one": {"transparency": 1}, "all": {"transparency": bytes(given["all"].tolist())}}[clear]
    if kind == "GIF":
        how["interlace"] = data.draw(st.booleans())
    content = pillow(image, kind, **how)
    return Drawn(content, palette[values[..., 0]].astype(float), given[clear][values] / 255)


def lossy(data, kind):
    """JPEG of grey, colours or inks and AVIF, turned in any way."""
    mode = data.draw(st.sampled_from(["L", "RGB", "CMYK"] if kind == "JPEG" else ["RGB"]))
    values, turned = smooth(data, len(mode) if mode != "L" else 1), data.draw(st.sampled_from([*TURNED]))
    image = Image.fromarray(values[..., 0] if mode == "L" else values, mode)
    how = {"quality": 98, "subsampling": data.draw(st.sampled_from(["4:4:4", "4:2:0"]))}
    content = pillow(image, kind, turned, **(how if mode == "RGB" else {"quality": 98}))
    return Drawn(content, inks(TURNED[turned](values)), error=12)


def inks(values):
    """Four channels are inks on white; others are colours."""
    if values.shape[2] < 4:
        return colours_of(values)
    return (255 - values[..., :3].astype(float)) * (255 - values[..., 3:]) / 255


def shallow_tiff(data, kind):
    """TIFF of 8 bits: planes, tiles, either order of bytes, packed, inks, white at zero, turned."""
    channels = data.draw(st.sampled_from([1, 3, 4]))
    values, turned = some(data, channels), data.draw(st.sampled_from([*TURNED]))
    photometric = {1: data.draw(st.sampled_from(["minisblack", "miniswhite"])), 3: "rgb", 4: "separated"}[channels]
    how = {"byteorder": data.draw(st.sampled_from("<>")), "extratags": [(274, "H", 1, turned, True)]}
    how["compression"] = data.draw(st.sampled_from([None, "zlib"]))
    how["tile"] = data.draw(st.sampled_from([None, (16, 16)]))
    stored = values[..., 0] if channels == 1 else values
    if channels > 1 and data.draw(st.booleans()):
        stored, how["planarconfig"] = np.moveaxis(stored, -1, 0), "separate"
    seen = inks(TURNED[turned](values))
    return Drawn(tiff(stored, photometric=photometric, **how), 255 - seen if photometric == "miniswhite" else seen)


def deep_tiff(data, kind):
    """Grey TIFF of 16 and 32 bits, unsigned, signed and real, with a range that holds all values, some, or none."""
    dtype = data.draw(st.sampled_from(["u2", "i2", "i4", "f4"]))
    low, high = data.draw(
        st.sampled_from([(0, 1), (0, 255), (0, 4095), (-900, 3000), (0, 65535), (-(2**31), 2**31 - 1)])
    )
    info = np.iinfo(dtype) if dtype != "f4" else np.finfo(dtype)
    low, high = max(low, int(info.min)), min(high, int(info.max))
    order, turned = data.draw(st.sampled_from("<>")), data.draw(st.sampled_from([*TURNED]))
    values = some(data, 1, f"{order}{dtype}", low, high)
    how = {"byteorder": order, "extratags": [(274, "H", 1, turned, True)]}
    how["compression"] = data.draw(st.sampled_from([None, "zlib"]))
    said = data.draw(st.sampled_from([None, [low, high], [low, low + 1]]))
    black, white = said or (0, 65535)
    real = values.astype(float)
    is_open = real.min() < black or real.max() > white if said else dtype != "u2" or 0 < real.max() < 2**15
    seen = TURNED[turned]((real - black) / (white - black) * 255)
    return Drawn(tiff(values[..., 0], **how), colours_of(seen), is_open=is_open), said


def deep_colours(data, kind):
    """TIFF of 16 bits a colour: read where it is upright and interleaved, else refused."""
    values, turned = some(data, 3, "u2", 0, 65535), data.draw(st.sampled_from([1, 1, 1, 6]))
    values[0, 0] = 65535
    how = {"byteorder": data.draw(st.sampled_from("<>")), "extratags": [(274, "H", 1, turned, True)]}
    stored, planes = values, data.draw(st.booleans())
    if planes:
        stored, how["planarconfig"] = np.moveaxis(values, -1, 0), "separate"
    how["compression"] = data.draw(st.sampled_from([None, "zlib"]))
    stored = stored.astype(f"{how['byteorder']}u2")
    return Drawn(tiff(stored, **how), values / 65535 * 255, is_open=planes or turned > 1)


@pytest.mark.parametrize("turned", TURNED)
@pytest.mark.parametrize("kind", ["grey", "colours", "inks", "u2"])
def test_a_tiff_that_lies_on_its_side_is_read_upright_from_a_file_as_from_memory(look, kind, turned):
    channels = {"colours": 3, "inks": 4}.get(kind, 1)
    values = drawn(65535 if kind == "u2" else 255, channels, (5, 8)).astype("u2" if kind == "u2" else "u1")
    photometric = {"colours": "rgb", "inks": "separated"}.get(kind, "minisblack")
    stored = values[..., 0] if channels == 1 else values
    content = tiff(stored, photometric=photometric, extratags=[(274, "H", 1, turned, True)])
    read = look(content, "a.tif").astype(float)
    expected = inks(TURNED[turned](values)) / (257 if kind == "u2" else 1)
    assert read.shape == expected.shape
    assert abs(read - expected).max() <= 1
    np.testing.assert_array_equal(read, reading.decode(content, "a.tif"))


OTHERS = {
    **{f"{kind} without a palette": (without_palette, kind) for kind in ("PNG", "BMP", "WEBP")},
    **{f"{kind} with a palette": (with_palette, kind) for kind in ("PNG", "GIF", "BMP", "TIFF")},
    **{kind: (lossy, kind) for kind in ("JPEG", *(["AVIF"] if features.check("avif") else []))},
    "TIFF of 8 bits": (shallow_tiff, "TIFF"),
    "TIFF of more": (deep_tiff, "TIFF"),
    "TIFF of deep colours": (deep_colours, "TIFF"),
}


@pytest.mark.parametrize("name", OTHERS)
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_format_that_others_write_is_seen_as_they_meant_it_or_refused_in_one_line(tmp_path, name, data):
    """Against the numbers that were written, mixed with what is behind them by hand."""
    draw, kind = OTHERS[name]
    drawn, said = made if isinstance(made := draw(data, kind), tuple) else (made, None)
    background = data.draw(st.sampled_from([None, *reading.BACKGROUNDS]))
    path = tmp_path / "a.png"  # whatever it is called
    path.write_bytes(drawn.content)
    is_open = drawn.is_open or background is None and np.min(drawn.alpha) < 1
    try:
        read = reading.read(path, said, background).astype(float)
    except ValueError as error:
        assert is_open, error  # noqa: PT017
        assert str(error).startswith(f"{path}: ")  # noqa: PT017
        assert str(error).isprintable()  # noqa: PT017
        return
    assert not is_open
    expected = drawn.seen * drawn.alpha + reading.BACKGROUNDS.get(background, 0) * (1 - drawn.alpha)
    assert read.shape == expected.shape
    assert abs(read - expected).max() <= max(drawn.error, 1)


@few
@given(data=st.data())
def test_any_bytes_are_a_picture_or_one_line(tmp_path, data):
    values = np.random.default_rng(1).integers(0, 256, (6, 7, 3))
    contents = [
        png(values, 8),
        png(values, 16),
        tiff(values.astype("u1")),
        pnm(values, 255),
        bmp(values),
        palette(True),
    ]
    changed = bytearray(data.draw(st.sampled_from(contents)))
    for position, new in data.draw(
        st.lists(st.tuples(st.integers(0, len(changed) - 1), st.binary(min_size=1, max_size=4)), max_size=5)
    ):
        changed[position : position + len(new)] = new
    path = tmp_path / "a.png"
    path.write_bytes(changed)
    try:
        read = reading.read(path, [0, 65535], "white")
    except (ValueError, OSError) as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert read.dtype == np.uint8
        assert read.shape[2:] == (3,)


# --- large photographs ------------------------------------------------------------------------------------------------


def photograph(width, height):
    """A smooth picture with edges, as a camera's JPEG."""
    y, x = np.mgrid[:height, :width] / max(width, height)
    values = 127 + 100 * np.stack([np.sin(9 * x), np.sin(7 * y + x), np.sign(np.sin(23 * (x + y)))], axis=-1)
    file = io.BytesIO()
    Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=92)
    return file.getvalue()


def test_a_large_photograph_is_decoded_smaller_and_looks_the_same(tmp_path):
    (tmp_path / "a.jpg").write_bytes(photograph(1600, 1200))
    whole, small = reading.read(tmp_path / "a.jpg"), reading.read(tmp_path / "a.jpg", side=64)
    assert whole.shape == (1200, 1600, 3)
    assert min(small.shape[:2]) >= 2 * 64
    assert small.size * 16 <= whole.size
    one, other = (images.resize_one(picture, 64).astype(float) for picture in (whole, small))
    assert np.abs(one - other).mean() < 1.5


@pytest.mark.parametrize("side", [None, 301, 1200])
def test_a_photograph_that_is_not_much_larger_is_decoded_as_it_is(tmp_path, side):
    (tmp_path / "a.jpg").write_bytes(photograph(1600, 1200))
    np.testing.assert_array_equal(reading.read(tmp_path / "a.jpg", side=side), reading.read(tmp_path / "a.jpg"))


MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from realgap.data import images, inventory
from realgap.data.records import Image
root, count = Path(sys.argv[1]), int(sys.argv[2])
chosen = inventory.take("image_folder", root, ["cat"], root.parent / "state").images[:count]
small = np.empty((count, 64, 64, 3), np.uint8)
for place, picture in inventory.pictures("image_folder", root, chosen, {"side": 64}):
    small[place] = images.resize_one(picture, 64)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_sixty_photographs_of_12_megapixels_take_no_more_memory_than_two(tmp_path):
    (tmp_path / "set/cat").mkdir(parents=True)
    encoded = photograph(4000, 3000)
    for number in range(60):
        (tmp_path / f"set/cat/{number}.jpg").write_bytes(encoded + bytes([number]))
    peaks = []
    for count in (2, 60):
        command = [sys.executable, "-c", MEMORY, str(tmp_path / "set"), str(count)]
        environment = {**os.environ, "PYTHONPATH": "workflow"}
        peaks.append(int(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout))
    assert peaks[1] < peaks[0] + 20
