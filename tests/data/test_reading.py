"""realgap.data.reading: a picture file gives the pixels that it holds, or one line. The files are written by hand."""

import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

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
