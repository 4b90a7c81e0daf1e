"""realgap.classifier.families: of each family the layer of maps, tokens as maps, and five stages."""

import pytest
import torch
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torchvision import models

from realgap.analyses.saliency.grad_cam import attend, scaled
from realgap.classifier import check, families, networks

# layer of maps of 224 px, its shape, and the first module of each stage, by torchvision's names
FAMILIES = {
    "resnet50": ("layer4", (2048, 7, 7), ["conv1", "layer1", "layer2", "layer3", "layer4"]),
    "mobilenet_v2": ("features.18", (1280, 7, 7), [f"features.{n}" for n in (0, 2, 4, 7, 14)]),
    "mobilenet_v3_small": ("features.12", (576, 7, 7), [f"features.{n}" for n in (0, 1, 2, 4, 9)]),
    "efficientnet_b0": ("features.8", (1280, 7, 7), [f"features.{n}" for n in (0, 2, 3, 4, 6)]),
    "efficientnet_v2_s": ("features.7", (1280, 7, 7), [f"features.{n}" for n in (0, 2, 3, 4, 6)]),
    "convnext_tiny": ("features.7", (768, 7, 7), [f"features.{n}" for n in (0, 1, 2, 4, 6)]),
    "densenet121": (
        "features.norm5",
        (1024, 7, 7),
        ["features.conv0", "features.pool0", *(f"features.transition{n}" for n in (1, 2, 3))],
    ),
    "vgg16": ("features.30", (512, 7, 7), [f"features.{n}" for n in (0, 4, 9, 16, 23)]),
    "swin_t": ("features.7", (768, 7, 7), [f"features.{n}" for n in (0, 1, 2, 4, 6)]),
    "swin_v2_t": ("features.7", (768, 7, 7), [f"features.{n}" for n in (0, 1, 2, 4, 6)]),
    "vit_b_16": (
        "encoder.layers.encoder_layer_11.ln_1",
        (768, 14, 14),
        ["conv_proj", *(f"encoder.layers.encoder_layer_{n}" for n in (0, 3, 6, 9))],
    ),
    "regnet_y_400mf": ("trunk_output.block4", (440, 7, 7), ["stem", *(f"trunk_output.block{n}" for n in range(1, 5))]),
    "mnasnet1_0": ("layers.16", (1280, 7, 7), [f"layers.{n}" for n in (0, 8, 9, 10, 12)]),
}


def without_memory(architecture):
    return check.without_memory(architecture, 7, 224, "auto", None).eval()


@pytest.mark.parametrize("architecture", FAMILIES)
def test_the_layer_of_maps_is_the_last_with_places_in_it(architecture):
    name, shape, _ = FAMILIES[architecture]
    model = without_memory(architecture)
    assert families.layer(model, "auto", 224) == name
    assert families._shapes(model, [name], 224)[name][1:] == shape
    assert families.layer(model, "some.layer", 224) == "some.layer"


@pytest.mark.parametrize("architecture", FAMILIES)
def test_stages_follow_one_another_and_hold_all_but_the_last_linear_layer(architecture):
    model = without_memory(architecture)
    stages = families.stages(model)
    names = {id(module): name for name, module in model.named_modules()}
    assert [names[id(stage[0])] for stage in stages] == FAMILIES[architecture][2]
    held = [id(one) for stage in stages for item in stage for one in families._parameters(item)]
    own = networks.head(model)
    assert len(held) == len(set(held))
    assert set(held) == {id(one) for name, one in model.named_parameters() if not name.startswith(f"{own}.")}


def test_a_resnet_20_has_a_stem_and_three_stages():
    model = networks.build("resnet20", 3, 16)
    held = {id(one) for stage in families.stages(model) for item in stage for one in item.parameters()}
    assert [stage[0] for stage in families.stages(model)] == [model.conv1, model.layer1, model.layer2, model.layer3]
    assert held == {id(one) for name, one in model.named_parameters() if not name.startswith("fc.")}


def tiny_vit(size=32):
    torch.manual_seed(0)
    model = models.VisionTransformer(size, 8, num_layers=4, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=5)
    nn.init.normal_(model.heads.head.weight)  # torchvision's begins at zero
    return model.eval()


def tiny_swin():
    torch.manual_seed(0)
    return models.SwinTransformer([2, 2], 8, [2, 2], [2, 2], [4, 4], num_classes=5).eval()


def cut_tokens(output):
    """pytorch-grad-cam's reshape_transform of its tutorial for ViTs."""
    side = int((output.shape[1] - 1) ** 0.5)
    return output[:, 1:, :].reshape(output.size(0), side, side, output.size(2)).transpose(2, 3).transpose(1, 2)


def last_first(output):
    """The same of its tutorial for Swin, whose tokens torchvision keeps in rows."""
    return output.transpose(2, 3).transpose(1, 2)


@pytest.mark.parametrize("method", ["grad_cam", "grad_cam_reference", "grad_cam_plus_plus"])
@pytest.mark.parametrize(
    ("build", "layer", "reshape"),
    [
        (tiny_vit, "encoder.layers.encoder_layer_3.ln_1", cut_tokens),
        (tiny_swin, "features.2", last_first),
        (tiny_swin, "features.3", last_first),
    ],
)
def test_maps_of_tokens_are_those_of_pytorch_grad_cam(build, layer, reshape, method):
    model, images = build(), torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    ours = attend(model, images, labels, layer, method)
    library = GradCAMPlusPlus if method == "grad_cam_plus_plus" else GradCAM
    with library(model, [model.get_submodule(layer)], reshape_transform=reshape) as cam:
        theirs = cam(images, [ClassifierOutputTarget(int(label)) for label in labels])
    assert theirs.max() > 0.5
    torch.testing.assert_close(scaled(ours.true_maps, (32, 32)), theirs, rtol=0, atol=2e-3)
    torch.testing.assert_close(torch.from_numpy(ours.logits), model(images).detach(), rtol=1e-4, atol=1e-4)


def test_a_map_shows_the_place_that_a_vit_attends_to():
    """Only the image's upper left patch differs from the rest, and only it speaks for a class."""
    model, images = tiny_vit(), torch.zeros(1, 3, 32, 32)
    images[:, :, :8, :8] = 1.0
    seen = families.as_map(model, "encoder.layers.encoder_layer_3.ln_1")
    tokens = torch.arange(17.0).view(1, 17, 1).expand(1, 17, 16)
    assert seen(tokens)[0, 0].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]]
    assert attend(model, images, torch.tensor([0]), "auto").true_maps.shape == (1, 4, 4)


def test_weights_learn_after_a_map_as_before_and_have_no_gradient():
    model = tiny_vit()
    model.conv_proj.requires_grad_(False)
    before = {name: one.requires_grad for name, one in model.named_parameters()}
    attend(model, torch.rand(2, 3, 32, 32), torch.tensor([0, 1]), "auto")
    assert {name: one.requires_grad for name, one in model.named_parameters()} == before
    assert all(one.grad is None for one in model.parameters())
