"""realgap.classifier.check: a classifier that cannot take the images, or a layer without a map, is found beforehand."""

import pytest
import torch
from torchvision import models

from realgap.analyses.saliency.grad_cam import attend
from realgap.classifier import check, networks
from realgap.study import limits


def settings(architecture, **others):
    return {
        "architecture": architecture,
        "stem": "auto",
        "weights": None,
        "backbone_lr": None,
        "input_size": None,
        **others,
    }


WRONG = {
    "nonesuch": (
        32,
        None,
        False,
        r"classifier.architecture: must be resnet20 or a torchvision classifier, got 'nonesuch'",
    ),
    "fasterrcnn_resnet50_fpn": (64, None, False, "must be resnet20 or a torchvision classifier"),
    "vit_b_16": (32, None, False, r"must take images of dataset.image_size 32; got 'vit_b_16', which does not \("),
    "alexnet": (16, None, False, r"must take images of dataset.image_size 16; got 'alexnet'"),
    "googlenet": (64, None, False, "must give logits alone to be trained; got 'googlenet'"),
    "squeezenet1_1": (64, None, True, "features.extractor: must be another than classifier"),
    "vgg11": (
        64,
        "layer4",
        False,
        r"saliency.layer: must be auto or a module of vgg11, such as features, avgpool, classifier",
    ),
    "swin_t": (64, "features.0.0", False, r"got 'features.0.0' of swin_t, which gives \d+x96x\d+, channels last"),
    "inception_v3": (299, None, False, "must give logits alone to be trained; got 'inception_v3'"),
    "r3d_18": (64, None, False, "must be resnet20 or a torchvision classifier"),
    "deeplabv3_resnet50": (64, None, False, "must be resnet20 or a torchvision classifier"),
    "quantized_resnet18": (64, None, False, "must be resnet20 or a torchvision classifier"),
    "resnet34": (
        8,
        "layer4",
        False,
        "must give a map of more than one cell; got 'layer4' of resnet34 for images of 8 px",
    ),
    "resnet18": (64, "fc", False, r"got 'fc' of resnet18, which gives 4"),
}


@pytest.mark.parametrize("architecture", WRONG)
def test_what_would_fail_after_days_is_one_line_before_them(architecture):
    size, layer, linear, said = WRONG[architecture]
    with pytest.raises(ValueError, match=rf"^config: .*{said}") as caught:
        check.check(settings(architecture), size, 4, layer, linear)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("architecture", "size", "layer"),
    [
        ("vgg11", 64, "features"),
        ("regnet_y_400mf", 96, "auto"),
        ("mnasnet0_5", 64, "auto"),
        ("swin_t", 64, "permute"),
        ("convnext_tiny", 64, "features.7"),
        ("resnet50", 32, "relu"),
    ],
)
def test_other_networks_that_fit_are_taken(architecture, size, layer):
    check.check(settings(architecture), size, 4, layer, True)


def test_the_known_ones_are_all_of_torchvisions_resnets_and_have_the_maps_that_are_known_of_them():
    of_kind = [name for name in models.list_models(module=models) if "resne" in name]
    assert sorted(limits.RESNETS) == sorted(of_kind)
    for architecture in ("resnet18", "resnet20"):
        for layer in limits.LAYERS[architecture]:
            if limits.has_map(settings(architecture), layer, 16):
                check.check(settings(architecture), 16, 2, layer, True)


@pytest.mark.parametrize("method", ["grad_cam", "grad_cam_reference"])
def test_rows_are_not_taken_for_channels(method):
    model = networks.build("swin_t", 3, 64).eval()
    with pytest.raises(ValueError, match=r"layer: must give channels of a map; got 'features.0.0', .* channels last"):
        attend(model, torch.zeros(2, 3, 64, 64), torch.tensor([0, 1]), "features.0.0", method)


@pytest.mark.long
@pytest.mark.parametrize("size", [8, 9, 16, 17, 32, 95, 96, 97])
@pytest.mark.parametrize("stem", ["auto", "cifar", "stock"])
def test_what_is_known_of_a_resnets_maps_is_what_it_gives(size, stem):
    for architecture in ("resnet18", "resnet20"):
        for layer in limits.LAYERS[architecture]:
            own = settings(architecture, stem=stem)
            if limits.has_map(own, layer, size):
                check.check(own, size, 2, layer, True)
            else:
                with pytest.raises(ValueError, match="more than one cell"):
                    check.check(own, size, 2, layer, True)
        if limits.has_map(settings(architecture, stem=stem), "auto", size):
            check.check(settings(architecture, stem=stem), size, 2, "auto", True)


@pytest.mark.parametrize(
    ("architecture", "others", "said"),
    [
        ("vit_b_16", {"input_size": 40}, "classifier.input_size: must be a side that vit_b_16 takes; got 40"),
        ("resnet18", {"weights": "IMAGENET1K_V9"}, r"classifier.weights: must be null, a file .* got 'IMAGENET1K_V9'"),
        ("resnet20", {"weights": "DEFAULT"}, "classifier.weights: .* or of resnet20 one of none; got 'DEFAULT'"),
        ("vit_b_32", {"input_size": 32}, "saliency.layer: must be a layer by name; got auto, .* at 64 px of vit_b_32"),
        ("squeezenet1_1", {"backbone_lr": 0}, "classifier.backbone_lr: must be null for squeezenet1_1, which has no"),
    ],
)
def test_settings_that_a_network_cannot_have_are_one_line(architecture, others, said):
    with pytest.raises(ValueError, match=rf"^config: {said}") as caught:
        check.check(settings(architecture, **others), 64, 4, "auto", False)
    assert "\n" not in str(caught.value)
