"""Floating-point operations of the networks, counted from their configuration alone (a multiply-add is 2).

Pure Python, so that a plan can be made where neither torch nor weights are. Convolutions, linear layers and
attention are counted, as torch's FlopCounterMode does, with which tests compare these numbers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

FLASH_BACKWARD = 2.5  # of attention's forward: five products where forward has two (Dao et al. 2022)


@dataclass(frozen=True)
class Op:
    """One layer's work on one image; `backward` is what the gradient of its input costs."""

    forward: float
    backward: float


def unet(config: Mapping[str, Any], latent_size: int, num_tokens: int) -> tuple[float, float]:
    """(forward, backward to the conditioning) of a UNet2DConditionModel for one image.

    config: as layout.part_config reads unet/config.json; latent_size: side of the latents. No weight has
    a gradient, so backward reaches from the output to the first cross-attention only.
    """
    before, ops = [], []
    for op in _unet_ops(config, latent_size, num_tokens):
        (ops if op.backward or ops else before).append(op)
    return sum(op.forward for op in before + ops), sum(op.backward for op in ops)


def vae_encoder(config: Mapping[str, Any], size: int) -> float:
    """Forward of an AutoencoderKL's encoder for one image of size x size pixels."""
    channels, layers, latent = config["block_out_channels"], config["layers_per_block"], config["latent_channels"]
    total = _conv(3, config["in_channels"], channels[0], size)
    width = channels[0]
    for level, out in enumerate(channels):
        for _ in range(layers):
            total += _resnet(width, out, size)
            width = out
        if level < len(channels) - 1:
            size //= 2
            total += _conv(3, out, out, size)
    total += _vae_middle(width, size)
    return total + _conv(3, width, 2 * latent, size) + _conv(1, 2 * latent, 2 * latent, size)


def vae_decoder(config: Mapping[str, Any], size: int) -> float:
    """Forward of an AutoencoderKL's decoder for one image of size x size pixels."""
    channels, layers, latent = config["block_out_channels"], config["layers_per_block"], config["latent_channels"]
    full, width = size, channels[-1]
    size //= 2 ** (len(channels) - 1)
    total = _conv(1, latent, latent, size) + _conv(3, latent, width, size) + _vae_middle(width, size)
    for level, out in enumerate(reversed(channels)):
        for _ in range(layers + 1):
            total += _resnet(width, out, size)
            width = out
        if level < len(channels) - 1:
            size *= 2
            total += _conv(3, out, out, size)
    return total + _conv(3, width, config["out_channels"], full)


def resnet(architecture: str, image_size: int, num_classes: int, cifar_stem: bool) -> float | None:
    """Forward of a ResNet for one image, or None for another architecture.

    The backward pass of its training costs about twice as much.
    """
    if architecture == "resnet20":
        return _resnet20(image_size, num_classes)
    blocks = {
        "resnet18": (1, (2, 2, 2, 2)),
        "resnet34": (1, (3, 4, 6, 3)),
        "resnet50": (4, (3, 4, 6, 3)),
        "resnet101": (4, (3, 4, 23, 3)),
        "resnet152": (4, (3, 8, 36, 3)),
    }
    if architecture not in blocks:
        return None
    expansion, counts = blocks[architecture]
    size = image_size if cifar_stem else _half(image_size)
    total = _conv(3 if cifar_stem else 7, 3, 64, size)
    size, width = (size if cifar_stem else _half(size)), 64
    for stage, count in enumerate(counts):
        planes = 64 << stage
        for block in range(count):
            inside = size  # a bottleneck's first convolution still sees the full size
            if block == 0 and stage:
                size = _half(size)
            out = planes * expansion
            if expansion == 1:
                total += _conv(3, width, planes, size) + _conv(3, planes, planes, size)
            else:
                total += _conv(1, width, planes, inside) + _conv(3, planes, planes, size) + _conv(1, planes, out, size)
            if block == 0 and (stage or width != out):
                total += _conv(1, width, out, size)
            width = out
    return total + 2.0 * width * num_classes


def _resnet20(size: int, num_classes: int) -> float:
    """Three stages of three blocks, 16 to 64 channels; the stem keeps the size."""
    total, width = _conv(3, 3, 16, size), 16
    for planes in (16, 32, 64):
        if planes != width:
            size = _half(size)
            total += _conv(1, width, planes, size)
        total += _conv(3, width, planes, size) + 5 * _conv(3, planes, planes, size)
        width = planes
    return total + 2.0 * width * num_classes


def _unet_ops(config: Mapping[str, Any], size: int, tokens: int) -> Iterator[Op]:
    """The layers in order; what lies before the first cross-attention has no backward."""
    channels, layers, kinds = config["block_out_channels"], config["layers_per_block"], config["down_block_types"]
    time, text = 4 * channels[0], config["cross_attention_dim"]
    attended = False  # has the conditioning been seen?

    def plain(forward: float) -> Op:
        return Op(forward, forward if attended else 0.0)

    def transformer(width: int) -> Iterator[Op]:
        nonlocal attended
        n = size * size
        yield plain(2 * n * width * width)  # proj_in
        yield plain(8 * n * width * width)  # self-attention: q, k, v, out
        attention = 4 * n * n * width
        yield Op(attention, FLASH_BACKWARD * attention if attended else 0.0)
        yield plain(2 * n * width * width)  # cross-attention: q
        attended = True
        yield plain(4 * tokens * text * width)  # k, v
        attention = 4 * n * tokens * width
        yield Op(attention, FLASH_BACKWARD * attention)
        yield plain(2 * n * width * width)  # out
        yield plain(24 * n * width * width)  # feed-forward: to 2 x 4 widths, back from 4
        yield plain(2 * n * width * width)  # proj_out

    def block(width: int, out: int, kind: str) -> Iterator[Op]:
        yield Op(2 * time * out, 0.0)  # the time embedding never depends on the conditioning
        yield plain(_resnet(width, out, size))
        if "CrossAttn" in kind:
            yield from transformer(out)

    yield Op(2 * channels[0] * time + 2 * time * time, 0.0)
    yield plain(_conv(3, config["in_channels"], channels[0], size))
    skips, width = [channels[0]], channels[0]
    for level, (out, kind) in enumerate(zip(channels, kinds, strict=True)):
        for _ in range(layers):
            yield from block(width, out, kind)
            width = out
            skips.append(width)
        if level < len(channels) - 1:
            size //= 2
            yield plain(_conv(3, out, out, size))
            skips.append(out)
    yield from block(width, width, config["mid_block_type"])
    yield from block(width, width, "")
    for level, (out, kind) in enumerate(zip(reversed(channels), config["up_block_types"], strict=True)):
        for _ in range(layers + 1):
            yield from block(width + skips.pop(), out, kind)
            width = out
        if level < len(channels) - 1:
            size *= 2
            yield plain(_conv(3, out, out, size))
    yield plain(_conv(3, width, config["out_channels"], size))


def _vae_middle(width: int, size: int) -> float:
    n = size * size
    return 2 * _resnet(width, width, size) + 8 * n * width * width + 4 * n * n * width


def _resnet(width: int, out: int, size: int) -> float:
    """Two 3x3 convolutions, and a 1x1 one on the way around them where the width changes."""
    shortcut = _conv(1, width, out, size) if width != out else 0.0
    return _conv(3, width, out, size) + _conv(3, out, out, size) + shortcut


def _conv(kernel: int, width: int, out: int, size: int) -> float:
    return 2.0 * kernel * kernel * width * out * size * size


def _half(size: int) -> int:
    return (size + 1) // 2
