import numpy as np
import pytest

from realgap.geometry import segments
from realgap.geometry.segments import lengths_px, line_segments


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


def test_a_learned_detector_is_a_torchscript_file_and_takes_the_place_of_lsd(tmp_path):
    import torch

    class Diagonal(torch.nn.Module):
        """Two segments, the second of the picture's own size, to see that it gets the picture."""

        def forward(self, gray: torch.Tensor) -> torch.Tensor:
            height, width = gray.shape[2] - 1.0, gray.shape[3] - 1.0
            bright = float(gray.max())
            return torch.tensor([[0.0, 0.0, bright, 0.0], [0.0, 0.0, width, height]])

    torch.jit.script(Diagonal()).save(str(tmp_path / "lines.pt"))
    gray = np.full((40, 60), 255, np.uint8)
    found = segments.detector(str(tmp_path / "lines.pt"))(gray)
    np.testing.assert_allclose(found, [[0, 0, 59, 39], [0, 0, 1, 0]])
    assert segments.detector("lsd") is segments.line_segments


def test_a_detector_that_is_not_there_is_no_module_or_returns_no_segments_is_named(tmp_path):
    import torch

    with pytest.raises(ValueError, match="geometry.detector: must be lsd or a TorchScript file; got 'none.pt'"):
        segments.detector("none.pt")
    (tmp_path / "text.pt").write_text("no module")
    with pytest.raises(ValueError, match="text.pt: must be a TorchScript module"):
        segments.detector(str(tmp_path / "text.pt"))
    torch.jit.script(torch.nn.Identity()).save(str(tmp_path / "same.pt"))
    with pytest.raises(ValueError, match=r"same.pt: must return segments \(N, 4\), got \(1, 1, 8, 8\)"):
        segments.detector(str(tmp_path / "same.pt"))(np.zeros((8, 8), np.uint8))
