"""What is known of each family of networks: layers whose outputs are maps, tokens as maps, and stages.

Tokens become maps as in pytorch-grad-cam's reshape_transform: without the class token, in their square, channels first.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from realgap.classifier import networks

AUTO = "auto"  # the layer of maps: found for each network
FEWEST_CELLS = 4  # a side, of the layer that is found by itself, where there is one
_TRUNKS = ("features", "layers", "trunk_output", "blocks")  # a sequence from the image to the last map
_NAMED = ("layer4", "layer3", "layer2", "layer1", "conv5", "stage4", "stage3", "stage2")  # others', deepest first


def layer(model: nn.Module, wanted: str, image_size: int) -> str:
    """A layer by name; for auto the deepest with a map of at least 4x4 cells, else 2x2, of images of so many px.

    Of a transformer with a class token, which alone is read at its end, the norm before the last attention. ValueError
    where there is none.
    """
    if wanted != AUTO:
        return wanted
    names = _deepest_first(networks.inner(model))
    shapes = _shapes(model, names, image_size)
    for cells in (FEWEST_CELLS, 2):
        if found := [name for name in names if name in shapes and min(shapes[name][2:]) >= cells]:
            return found[0]
    raise ValueError(
        f"saliency.layer: must be a layer by name; got auto, and no known one has a map at {image_size} px"
    )


def as_map(model: nn.Module, layer: str) -> Callable[[Tensor], Tensor]:
    """The function that makes a map (n, channels, h, w) of what a layer gives; it leaves alone what is one, or none."""
    network, kind = networks.inner(model), type(networks.inner(model)).__name__
    if kind == "VisionTransformer":
        before = getattr(network, "num_prefix_tokens", 1)  # timm's may have registers, or no class token
        return lambda output: _squared(output, before)
    last = getattr(network, "output_fmt", "") == "NHWC" or layer.startswith(("features", "norm"))
    return _channels_first if kind.startswith("Swin") and last else lambda output: output


def stages(model: nn.Module) -> list[list[nn.Module | nn.Parameter]]:
    """Five stages of a network from its input on, its last linear layer left out; frozen one after another.

    The stem and four stages (three of a ResNet-20), as their papers cut them: where the side of the map is halved, and
    transformers of one side into four equal parts. What follows the last stage belongs to it. ValueError for a network
    of another kind.
    """
    network = networks.inner(model)
    found = _stages(network)
    if found is None or len(found) != (4 if isinstance(network, networks.ResNet20) else 5):
        raise ValueError(
            "classifier.architecture: must be a ResNet or of another family whose stages are known, to freeze stages "
            f"of it; got {type(network).__name__}"
        )
    held = {id(one) for stage in found for item in stage for one in _parameters(item)}
    own = networks.head(model)
    found[-1] += [
        one for name, one in network.named_parameters() if id(one) not in held and not name.startswith(f"{own}.")
    ]
    return found


def _deepest_first(network: nn.Module) -> list[str]:
    if type(network).__name__ == "VisionTransformer":
        of_timm = hasattr(network, "blocks")
        blocks = network.blocks if of_timm else network.encoder.layers
        name = [name for name, _ in blocks.named_children()][-1]
        return [f"blocks.{name}.norm1" if of_timm else f"encoder.layers.{name}.ln_1"]
    if info := getattr(network, "feature_info", None):  # timm's
        return [one["module"] for one in reversed(info)]
    trunks = [name for name in _TRUNKS if isinstance(getattr(network, name, None), nn.Sequential | nn.ModuleList)]
    if not trunks:
        return [name for name in _NAMED if hasattr(network, name)]
    return [f"{trunks[0]}.{name}" for name, _ in reversed(list(getattr(network, trunks[0]).named_children()))]


def _shapes(model: nn.Module, names: list[str], image_size: int) -> dict[str, torch.Size]:
    """The shape of each of these layers' maps, of one image; those without one are left out."""
    found: dict[str, torch.Size] = {}

    def note(name: str) -> Callable:
        def hook(_module: nn.Module, _inputs: tuple, output: object) -> None:
            output = as_map(model, name)(output)
            if not networks.no_map(output):
                found[name] = output.shape

        return hook

    network = networks.inner(model)
    handles = [network.get_submodule(name).register_forward_hook(note(name)) for name in names]
    device = next(model.parameters()).device
    try:
        with torch.inference_mode():
            model(torch.zeros(1, 3, image_size, image_size, device=device))
    finally:
        for handle in handles:
            handle.remove()
    return found


def _squared(output: Tensor, before: int) -> Tensor:
    """Tokens (n, before + side * side, c) as (n, c, side, side)."""
    if not isinstance(output, Tensor) or output.ndim != 3:
        return output
    side = round((output.shape[1] - before) ** 0.5)
    return output[:, before:].reshape(len(output), side, side, -1).permute(0, 3, 1, 2)


def _channels_first(output: Tensor) -> Tensor:
    return output.permute(0, 3, 1, 2) if isinstance(output, Tensor) and output.ndim == 4 else output


def _stages(network: nn.Module) -> list[list[nn.Module | nn.Parameter]] | None:
    kind = type(network).__name__
    if hasattr(network, "pretrained_cfg") and kind != "ResNet":  # timm's have other parts
        return None
    if kind in ("ResNet", "ResNet20"):
        layers = [layer for name, layer in network.named_children() if name.startswith("layer")]
        return [[network.conv1, network.bn1], *([layer] for layer in layers)]
    if kind == "RegNet":
        return [[network.stem], *([block] for block in network.trunk_output.children())]
    if kind == "VisionTransformer" and hasattr(network, "encoder"):
        return _of_tokens(network)
    trunk = getattr(network, "features", getattr(network, "layers", None))
    return _by_side(trunk) if isinstance(trunk, nn.Sequential) else None


def _of_tokens(network: nn.Module) -> list[list[nn.Module | nn.Parameter]]:
    blocks = list(network.encoder.layers.children())
    ends = [round(len(blocks) * quarter / 4) for quarter in range(5)]
    stem = [network.conv_proj, network.class_token, network.encoder.pos_embedding]
    return [stem, *(blocks[ends[i] : ends[i + 1]] for i in range(4))]


def _by_side(trunk: nn.Sequential) -> list[list[nn.Module]]:
    """The children that give maps of one side together; a stem of the first stage's side is cut from it."""
    groups: dict[int, list[nn.Module]] = {}
    x, tried = torch.empty(1, 3, 224, 224, device="meta"), copy.deepcopy(trunk).to("meta").eval()
    for child, without_memory in zip(trunk.children(), tried.children(), strict=True):
        x = without_memory(x)
        groups.setdefault(x.shape[2], []).append(child)
    found = [group for group in groups.values() if any(True for child in group for _ in child.parameters())]
    return [found[0][:1], found[0][1:], *found[1:]] if len(found) == 4 else found


def _parameters(item: nn.Module | nn.Parameter) -> list[nn.Parameter]:
    return [item] if isinstance(item, nn.Parameter) else list(item.parameters())
