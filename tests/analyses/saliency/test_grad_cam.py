import copy

import numpy as np
import pytest
import torch
import torchvision
from pytorch_grad_cam import GradCAM, LayerCAM, ScoreCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from realgap.analyses.saliency.grad_cam import METHODS, attend, faithfulness, scaled

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")),
]


@pytest.fixture(scope="module")
def classifier():
    """A ResNet-18 with the CIFAR stem whose batch statistics fit its inputs, so that maps are not flat."""
    torch.manual_seed(0)
    model = torchvision.models.resnet18(num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    with torch.no_grad():
        model(pixels(64, seed=9))
    return model.eval()


class PatchClassifier(nn.Module):
    """Two classes, told by the brightness of one patch (rows, columns) and of nothing else."""

    def __init__(self, rows=slice(None), columns=slice(None)):
        super().__init__()
        self.cells = nn.Conv2d(3, 2, kernel_size=4, stride=4)
        nn.init.constant_(self.cells.weight, 1 / 48)
        nn.init.zeros_(self.cells.bias)
        self.rows, self.columns = rows, columns

    def forward(self, pixel_values):
        bright = self.cells(pixel_values).mean(dim=1)[:, self.rows, self.columns].mean(dim=(1, 2))
        return 5 * torch.stack([bright, -bright], dim=1)


def pixels(n, seed=0, size=32):
    coarse = torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return nn.functional.interpolate(coarse, size, mode="bilinear")


def labels(n, seed=0):
    return torch.randint(10, (n,), generator=torch.Generator().manual_seed(seed))


def library(cam_class, model, layer, pixel_values, targets):
    model = copy.deepcopy(model)  # the library leaves gradients behind
    with cam_class(model, [model.get_submodule(layer)]) as cam:
        return cam(pixel_values, [ClassifierOutputTarget(int(target)) for target in targets])


@pytest.mark.long
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("layer", ["layer3", "layer4"])
def test_fast_maps_equal_pytorch_grad_cam(classifier, layer, device):
    x, y = pixels(12), labels(12)
    model = classifier.to(device)
    attention = attend(model, x, y, layer)
    predicted = attention.logits.argmax(axis=1)
    assert (predicted != y.numpy()).any()
    for maps, targets in ((attention.true_maps, y), (attention.predicted_maps, predicted)):
        expected = library(GradCAM, model, layer, x.to(device), targets)
        assert expected.max() > 0.5
        np.testing.assert_allclose(scaled(maps, (32, 32)), expected, atol=1e-6 if device == "cpu" else 1e-5)
    classifier.to("cpu")


def test_closed_form_and_gradient_agree_in_level(classifier):
    x, y = pixels(6), labels(6)
    wrapped = nn.Sequential()  # not recognised as a ResNet, so the gradient is taken
    wrapped.add_module("net", classifier)
    closed, gradient = attend(classifier, x, y, "layer4"), attend(wrapped.eval(), x, y, "net.layer4")
    np.testing.assert_allclose(closed.true_maps, gradient.true_maps, rtol=1e-4, atol=1e-6 * closed.true_maps.max())
    np.testing.assert_allclose(closed.logits, gradient.logits, rtol=1e-5)


def test_maps_are_zero_where_the_classifier_does_not_look(classifier):
    patch = PatchClassifier(slice(1, 3), slice(5, 7)).eval()
    x = pixels(4).abs() + 0.1
    maps = attend(patch, x, torch.zeros(4, dtype=torch.int64), "cells", method="hires_cam").true_maps
    inside = np.zeros((8, 8), dtype=bool)
    inside[1:3, 5:7] = True
    assert (maps[:, inside] > 0).all()
    assert (maps[:, ~inside] == 0).all()


def test_maps_of_an_image_do_not_depend_on_its_batch(classifier):
    x, y = pixels(7), labels(7)
    together, apart = attend(classifier, x, y, "layer3"), attend(classifier, x, y, "layer3", batch_size=3)
    np.testing.assert_allclose(together.true_maps, apart.true_maps, atol=1e-5 * apart.true_maps.max())


def test_the_classifier_is_left_as_it_was(classifier):
    for method in ("grad_cam", "grad_cam_reference"):
        attend(classifier, pixels(2), labels(2), "layer3", method)
        assert all(parameter.grad is None for parameter in classifier.parameters())
        assert not classifier.layer3._forward_hooks


def test_frozen_weights_give_the_same_maps(classifier):
    x, y = pixels(3), labels(3)
    expected = attend(classifier, x, y, "layer3").true_maps
    classifier.requires_grad_(False)
    np.testing.assert_array_equal(attend(classifier, x, y, "layer3").true_maps, expected)
    classifier.requires_grad_(True)


@pytest.mark.parametrize("frozen", [False, True])
def test_other_methods_are_the_library_s(classifier, frozen):
    x, y = pixels(3), labels(3)
    expected = library(LayerCAM, classifier, "layer3", x, y)
    classifier.requires_grad_(not frozen)
    maps = attend(classifier, x, y, "layer3", "layer_cam").true_maps
    classifier.requires_grad_(True)
    np.testing.assert_allclose(scaled(maps, (32, 32)), expected, atol=1e-6)


def test_score_cam_is_the_library_s():
    x, y = pixels(3), torch.tensor([0, 1, 1])
    patch = PatchClassifier(slice(1, 3), slice(5, 7)).eval()
    with torch.no_grad():
        patch.cells.weight[1, :, :2] *= 3
    maps = attend(patch, x, y, "cells", "score_cam").true_maps
    np.testing.assert_allclose(scaled(maps, (32, 32)), library(ScoreCAM, patch, "cells", x, y), atol=1e-6)


@pytest.mark.parametrize("method", [method for method in METHODS if method != "score_cam"])
def test_every_method_gives_finite_maps(classifier, method):
    attention = attend(classifier, pixels(2), labels(2), "layer4", method)
    assert attention.true_maps.shape == (2, 4, 4)
    assert np.isfinite(attention.true_maps).all()
    assert (attention.predicted_maps >= 0).all()


def test_a_stock_stem_leaves_nothing_to_look_at():
    torch.manual_seed(0)
    stock = torchvision.models.resnet18(num_classes=10).eval()
    attention = attend(stock, pixels(4), labels(4), "layer4")
    assert attention.true_maps.shape == (4, 1, 1)
    assert (scaled(attention.true_maps, (32, 32)) == 0).all()


def test_wrong_arguments_are_named(classifier):
    x, y = pixels(2), labels(2)
    with pytest.raises(ValueError, match="labels: must be one per image, 2, got 1"):
        attend(classifier, x, y[:1], "layer4")
    with pytest.raises(ValueError, match="layer: must be a module of the classifier such as 'layer4', got 'body'"):
        attend(classifier, x, y, "body")
    with pytest.raises(ValueError, match="method: must be one of grad_cam, .* got 'cam'"):
        attend(classifier, x, y, "layer4", method="cam")
    with pytest.raises(ValueError, match="model: must be in eval mode"):
        attend(torchvision.models.resnet18(), x, y, "layer4")


def test_road_rewards_the_patch_that_is_looked_at():
    patch = PatchClassifier(slice(2, 4), slice(2, 4)).eval()
    x = torch.full((3, 3, 32, 32), -1.0)
    x[:, :, 8:16, 8:16] = 1.0
    truth, planted = np.zeros(3, dtype=np.int64), np.zeros((3, 8, 8), dtype=np.float32)
    planted[:2, 2:4, 2:4] = 1.0  # the third map is empty
    elsewhere = np.roll(planted, (3, 3), axis=(1, 2))
    before = torch.get_rng_state()
    right, wrong = (faithfulness(patch, x, truth, maps, seed=0) for maps in (planted, elsewhere))
    assert torch.equal(before, torch.get_rng_state())
    assert np.isnan(right).tolist() == [False, False, True]
    assert (right[:2] > wrong[:2] + 0.2).all()


def test_road_of_an_image_depends_on_its_seed_alone():
    patch, x, truth = PatchClassifier().eval(), pixels(2), np.zeros(2, dtype=np.int64)
    maps = np.random.default_rng(0).random((2, 8, 8), dtype=np.float32)
    both = faithfulness(patch, x, truth, maps, seed=0)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        np.testing.assert_array_equal(faithfulness(patch, x[:1], truth[:1], maps[:1], seed=0), both[:1])
    assert (faithfulness(patch, x, truth, maps, seed=1) != both).any()
