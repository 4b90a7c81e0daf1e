"""What devices reach by their data sheets, and which of it a precision of the study uses."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Peak(NamedTuple):
    """Dense matrix products, TFLOP/s."""

    half: float  # bf16 or fp16, summed in fp32
    tf32: float  # where a card has none: its fp32
    fp32: float


# "cpu" is one core that multiplies 16 floats at once, at 3 GHz with a fused multiply-add in two units (192 GFLOP/s)
PEAK_TFLOPS = {
    "cpu": Peak(0.192, 0.192, 0.192),
    "t4": Peak(65.0, 8.1, 8.1),
    "a40": Peak(149.7, 74.8, 37.4),
    "rtx4090": Peak(165.2, 82.6, 82.6),
    "a100": Peak(312.0, 156.0, 19.5),
    "l40s": Peak(362.0, 183.0, 91.6),
    "h100": Peak(989.0, 494.0, 67.0),
    "h200": Peak(989.0, 494.0, 67.0),
}
_WITHOUT_BF16 = ("t4",)  # "auto" is fp16 there, and fp32 for a network that is trained


def of(compute: Mapping[str, Any], device: str = "a100", trained: bool = False) -> str:
    """Which of the peaks a network's products run at: "half", "tf32" or "fp32" (as realgap.devices.pick_dtype picks).

    compute: the study's section of that name; trained: a network whose own weights are trained.
    """
    precision = compute["precision"]
    whole = precision == "fp32" or (
        trained and (precision == "fp16" or (precision == "auto" and device in _WITHOUT_BF16))
    )
    return ("tf32" if compute["tf32"] else "fp32") if whole else "half"
