"""realgap.classifier.check: a classifier that cannot take the images, or a layer without a map, is found beforehand."""

import pytest
import torch
from torchvision import models

from realgap.analyses.saliency.grad_cam import attend
from realgap.classifier import check, networks
from realgap.study import limits

WRONG = {
    "nonesuch": (32, None, False, r"classifier.architecture: must be a torchvision classifier, got 'nonesuch'"),
    "fasterrcnn_resnet50_fpn": (64, None, False, "classifier.architecture: must be a torchvision classifier"),
    "vit_b_16": (32, None, False, r"must take images of dataset.image_size 32; got 'vit_b_16', which does not \("),
    "alexnet": (16, None, False, r"must take images of dataset.image_size 16; got 'alexnet'"),
    "googlenet": (64, None, False, "must give logits alone to be trained; got 'googlenet'"),
    "squeezenet1_1": (64, None, True, "features.extractor: must be another than classifier"),
    "vgg11": (64, "layer4", False, r"saliency.layer: must be a module of vgg11, such as features, avgpool, classifier"),
    "swin_t": (64, "features.7", False, r"got 'features.7' of swin_t, which gives \d+x\d+x768, channels last"),
    "resnet18": (64, "fc", False, r"got 'fc' of resnet18, which gives 4"),
}


@pytest.mark.parametrize("architecture", WRONG)
def test_what_would_fail_after_days_is_one_line_before_them(architecture):
    size, layer, linear, said = WRONG[architecture]
    with pytest.raises(ValueError, match=rf"^config: .*{said}") as caught:
        check.check(architecture, size, 4, layer, linear)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("architecture", "size", "layer"),
    [
        ("vgg11", 32, "features"),
        ("swin_t", 64, "permute"),
        ("convnext_tiny", 64, "features.7"),
        ("resnet50", 32, "relu"),
    ],
)
def test_other_networks_that_fit_are_taken(architecture, size, layer):
    check.check(architecture, size, 4, layer, True)


def test_the_known_ones_are_all_of_torchvisions_resnets_and_take_the_smallest_images():
    of_kind = [name for name in models.list_models(module=models) if "resne" in name]
    assert sorted(limits.RESNETS) == sorted(of_kind)
    for layer in limits.RESNET_LAYERS:
        check.check("resnet18", 8, 2, layer, True)


@pytest.mark.parametrize("method", ["grad_cam", "grad_cam_reference"])
def test_rows_are_not_taken_for_channels(method):
    model = networks.build("swin_t", 3, 64).eval()
    with pytest.raises(ValueError, match=r"layer: must give channels of a map; got 'features.1', .* channels last"):
        attend(model, torch.zeros(2, 3, 64, 64), torch.tensor([0, 1]), "features.1", method)
