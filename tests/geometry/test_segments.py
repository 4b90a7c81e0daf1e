import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realgap.geometry import segments
from realgap.geometry.segments import lengths_px, line_segments
from tests import onnx


def edge_image(size, position):
    image = np.full((size, size), 50, np.uint8)
    image[:, position:] = 200
    return image


@pytest.mark.parametrize("size", [640, 128, 32])
def test_an_edge_between_two_pixels_is_found_halfway_between_their_centres(size):
    segments = line_segments(edge_image(size, size // 2))
    np.testing.assert_allclose(segments[0, [0, 2]], size // 2 - 0.5, atol=0.03)
    assert lengths_px(segments)[0] > 0.9 * size


def test_segments_come_longest_first_and_a_flat_image_has_none():
    image = edge_image(300, 100)
    image[100:140, 200:240] = 0
    lengths = lengths_px(line_segments(image))
    assert len(lengths) > 3
    assert (np.diff(lengths) <= 0).all()
    assert line_segments(np.zeros((200, 200), np.uint8)).shape == (0, 4)


@pytest.mark.parametrize("image", [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.float32)])
def test_what_is_not_a_gray_uint8_image_is_named(image):
    with pytest.raises(ValueError, match="gray uint8"):
        line_segments(image)


# a segment from each bright pixel to 5 px right of it
BRIGHT = onnx.detector(
    onnx.node("Greater", ["image", "half"], ["bright"]),
    onnx.node("NonZero", ["bright"], ["where"]),
    onnx.node("Transpose", ["where"], ["rows"], perm=[1, 0]),
    onnx.node("Gather", ["rows", "order"], ["ends"], axis=1),
    onnx.node("Cast", ["ends"], ["numbers"], to=onnx.FLOAT),
    onnx.node("Add", ["numbers", "shift"], ["segments"]),
    constants=[
        onnx.constant("half", onnx.FLOAT, [], np.float32(0.5).tobytes()),
        onnx.constant("order", onnx.INT64, [4], np.array([3, 2, 3, 2]).tobytes()),
        onnx.constant("shift", onnx.FLOAT, [4], np.float32([0, 0, 5, 0]).tobytes()),
    ],
)


def test_a_learned_detector_is_an_onnx_file_and_takes_the_place_of_lsd(tmp_path):
    (tmp_path / "lines.onnx").write_bytes(BRIGHT)
    gray = np.zeros((20, 30), np.uint8)
    gray[3, 4] = gray[7, 9] = 255
    gray[1, 1] = 100
    found = segments.detector(str(tmp_path / "lines.onnx"))(gray)
    np.testing.assert_array_equal(found, [[4, 3, 9, 3], [9, 7, 14, 7]], strict=False)
    assert found.dtype == np.float64
    assert segments.detector(str(tmp_path / "lines.onnx"))(gray * 0).shape == (0, 4)
    assert segments.detector("lsd") is segments.line_segments


def test_a_detector_that_is_not_there_is_no_model_or_returns_no_segments_is_named(tmp_path):
    with pytest.raises(ValueError, match="geometry.detector: must be lsd or an ONNX file; got 'none.onnx'"):
        segments.detector("none.onnx")
    for content in (b"", b"no model", BRIGHT[:100]):
        (tmp_path / "odd.onnx").write_bytes(content)
        with pytest.raises(ValueError, match="odd.onnx: must be an ONNX model"):
            segments.detector(str(tmp_path / "odd.onnx"))
    (tmp_path / "same.onnx").write_bytes(onnx.detector(onnx.node("Identity", ["image"], ["segments"])))
    with pytest.raises(ValueError, match=r"same.onnx: must return segments \(N, 4\), got float32 \(1, 1, 8, 8\)"):
        segments.detector(str(tmp_path / "same.onnx"))(np.zeros((8, 8), np.uint8))


def test_a_detector_that_could_run_code_is_refused_unread(tmp_path):
    """TorchScript writes and reads files: here it writes one, when torch runs it."""
    import torch

    class Writes(torch.nn.Module):
        def __init__(self, path: str):
            super().__init__()
            self.path = path

        def forward(self, gray: torch.Tensor) -> torch.Tensor:
            torch.save(gray, self.path)
            return gray.reshape(-1, 4)

    ran = tmp_path / "it ran"
    torch.jit.script(Writes(str(ran))).save(str(tmp_path / "lines.pt"))
    with pytest.raises(ValueError, match="lines.pt: must be an ONNX model"):
        segments.detector(str(tmp_path / "lines.pt"))
    assert not ran.exists()
    torch.jit.load(str(tmp_path / "lines.pt"))(torch.zeros(1, 1, 2, 2))
    assert ran.exists(), "the code of this test does nothing"


@pytest.mark.parametrize("path", ["/etc/hostname", "secret.bin", "../secret.bin"])
def test_a_detector_reads_no_other_file(tmp_path, monkeypatch, path):
    (tmp_path / "in").mkdir()
    for place in (tmp_path / "secret.bin", tmp_path / "in/secret.bin"):
        place.write_bytes(np.float32([1, 2, 3, 4]).tobytes())
    monkeypatch.chdir(tmp_path / "in")
    stolen = onnx.elsewhere("stolen", [1, 4], path)
    (tmp_path / "in/lines.onnx").write_bytes(
        onnx.detector(onnx.node("Identity", ["stolen"], ["segments"]), constants=[stolen])
    )
    with pytest.raises(ValueError, match="lines.onnx: must be an ONNX model"):
        segments.detector("lines.onnx")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, len(BRIGHT) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_any_bytes_are_a_detector_or_one_line(tmp_path, changes):
    content = bytearray(BRIGHT)
    for position, byte in changes:
        content[position] = byte
    (tmp_path / "odd.onnx").write_bytes(content)
    try:
        found = segments.detector(str(tmp_path / "odd.onnx"))(np.eye(8, dtype=np.uint8) * 255)
    except ValueError as error:
        assert "odd.onnx: must " in str(error)  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert found.shape[1:] == (4,)
