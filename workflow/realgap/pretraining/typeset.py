"""Typeset digits: the "average" world a miniature Stable Diffusion is pre-trained on.

Printed shapes from the text fonts that matplotlib ships (DejaVu and STIX), bright on dark and at the
resolution of scikit-learn's handwritten digits, so that what separates the two is the writing, not the scan.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from realgap.streams import stream

CLASS_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

FONTS = tuple(
    f"DejaVu{family}{style}.ttf"
    for family, styles in {
        "Sans": ("", "-Bold", "-Oblique", "-BoldOblique"),
        "SansMono": ("", "-Bold", "-Oblique", "-BoldOblique"),
        "Serif": ("", "-Bold", "-Italic", "-BoldItalic"),
    }.items()
    for style in styles
) + ("STIXGeneral.ttf", "STIXGeneralBol.ttf", "STIXGeneralItalic.ttf", "STIXGeneralBolIta.ttf")

TEMPLATES = (
    "{}",
    "a {}",
    "digit {}",
    "number {}",
    "the digit {}",
    "a photo of a {}",
    "a photo of the digit {}",
    "a photo of the number {}",
    "an image of the digit {}",
    "a picture of the number {}",
)

_GLYPH = 96  # px, font size of the outlines before warping
_CANVAS = 64  # px, side of the warped digit, 8 px for each cell of the scan
_CELLS = 8  # side of the scan: load_digits counts the ink in each cell of an 8 x 8 grid


def render(count: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Typeset digits: images uint8 (count, size, size, 3), grey, and labels int64 (count,), in turn 0 to 9.

    Item i depends on (seed, i) only. Like scikit-learn's digits they fill the height and are scanned as
    ink in 8 x 8 cells, then resized to `size` px (bicubic). ValueError unless size >= 8.
    """
    if size < _CELLS:
        raise ValueError(f"size: must be at least {_CELLS} px, got {size}")
    images = np.empty((count, size, size, 3), dtype=np.uint8)
    labels = np.arange(count, dtype=np.int64) % len(CLASS_NAMES)
    for i, label in enumerate(labels):
        images[i] = _digit(int(label), size, stream(seed, "typeset", i))[..., None]
    return images, labels


def captions(labels: np.ndarray, seed: int) -> list[str]:
    """A caption for each label: its class name in a template, and for one in two also how the digit looks.

    Item i depends on (seed, i, labels[i]) only and describes image i of `render` with the same seed. Captions
    that say more than the class teach the model to be steered in more than the class, which is what an inverted
    embedding does.
    """
    return [_caption(int(label), stream(seed, "caption", i), seed, i) for i, label in enumerate(labels)]


@dataclass(frozen=True)
class _Style:
    """How one digit looks; lengths in px of the canvas."""

    font: str
    stroke_px: int
    height: float  # of the canvas
    width: float  # of the glyph's own
    turn_deg: float
    shear: float
    shift_px: np.ndarray  # (2,) right, down
    blur_px: float


def _style(random: np.random.Generator) -> _Style:
    return _Style(
        font=FONTS[random.integers(len(FONTS))],
        stroke_px=int(random.integers(4)),
        height=random.uniform(0.85, 1.05),
        width=random.uniform(0.75, 1.05),
        turn_deg=random.uniform(-8, 8),
        shear=random.uniform(-0.15, 0.15),
        shift_px=random.uniform(-3, 3, size=2),
        blur_px=random.uniform(0.0, 3.0),
    )


def _caption(label: int, random: np.random.Generator, seed: int, i: int) -> str:
    plain = TEMPLATES[random.integers(len(TEMPLATES))].format(CLASS_NAMES[label])
    return f"{plain} in {_words(_style(stream(seed, 'typeset', i)))}" if random.random() < 0.5 else plain


def _words(style: _Style) -> str:
    """What a style looks like, a word for each thing that stands out."""
    family = next(name for name in ("SansMono", "Sans", "Serif", "STIX") if name in style.font).lower()
    said = [
        ("thin", "light", "medium", "heavy")[style.stroke_px],
        family,
        "bold" if "Bo" in style.font else "",
        "italic" if "Italic" in style.font or "Oblique" in style.font or "Ita" in style.font else "",
        _beyond(style.height, 0.92, 0.98, "short", "tall"),
        _beyond(style.width, 0.85, 0.95, "narrow", "wide"),
        _beyond(style.turn_deg, -3, 3, "clockwise", "anticlockwise"),
        _beyond(style.shear, -0.05, 0.05, "backward", "forward"),
        _beyond(style.shift_px[0], -1, 1, "left", "right"),
        _beyond(style.shift_px[1], -1, 1, "high", "low"),
        _beyond(style.blur_px, 1, 2, "sharp", "soft"),
    ]
    return " ".join(word for word in said if word)


def _beyond(value: float, low: float, high: float, below: str, above: str) -> str:
    return below if value < low else above if value > high else ""


def _digit(label: int, size: int, random: np.random.Generator) -> np.ndarray:
    """One digit in a random font, pose, weight and sharpness: uint8 (size, size)."""
    style = _style(random)
    glyph = _glyph(style.font, label, style.stroke_px)
    sharp = glyph.transform(
        (_CANVAS, _CANVAS), Image.Transform.AFFINE, _pose(glyph.size, style), Image.Resampling.BILINEAR
    )
    soft = sharp.filter(ImageFilter.GaussianBlur(style.blur_px))
    scan = soft.resize((_CELLS, _CELLS), Image.Resampling.BOX)
    brightness = 255 / max(1, scan.getextrema()[1])  # in load_digits too, ink fills a cell
    return np.asarray(
        scan.point(lambda ink: min(255, round(ink * brightness))).resize((size, size), Image.Resampling.BICUBIC)
    )


@cache
def _glyph(font: str, digit: int, stroke_px: int) -> Image.Image:
    """The outline of a digit, widened by `stroke_px` on each side and cropped to its ink; grey, ink = 255."""
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / font
    ink = Image.new("L", (2 * _GLYPH, 2 * _GLYPH))
    pen = ImageDraw.Draw(ink)
    pen.text((_GLYPH, _GLYPH), str(digit), 255, ImageFont.truetype(path, _GLYPH), "mm", stroke_width=stroke_px)
    return ink.crop(ink.getbbox())


def _pose(glyph_size: tuple[int, int], style: _Style) -> tuple[float, ...]:
    """PIL's affine coefficients (canvas px -> glyph px) of a size, width, turn, shear and shift."""
    width, height = glyph_size
    scale_y = height / (_CANVAS * style.height)  # glyph px in one canvas px
    scale_x = scale_y / style.width
    angle = np.deg2rad(style.turn_deg)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.diag([scale_x, scale_y]) @ [[1, style.shear], [0, 1]] @ [[cos, -sin], [sin, cos]]
    centre = _CANVAS / 2 + style.shift_px
    offset = np.array([width / 2, height / 2]) - matrix @ centre
    return (*matrix[0], offset[0], *matrix[1], offset[1])
