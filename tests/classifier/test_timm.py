"""Networks of timm's: built, normalised and loaded as timm does; without timm a study that names one is one line."""

import builtins
from collections import OrderedDict

import pytest
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from realgap.analyses.saliency.grad_cam import attend, scaled
from realgap.classifier import check, families, networks, pretrained
from tests.classifier.test_check import settings

timm = pytest.importorskip("timm")


@pytest.mark.parametrize(
    ("name", "layer", "shape"),
    [
        ("resnet10t", "layer4", (512, 7, 7)),
        ("convnext_atto", "stages.3", (320, 7, 7)),
        ("vit_tiny_patch16_224", "blocks.11.norm1", (192, 14, 14)),
        ("swin_tiny_patch4_window7_224", "layers.3", (768, 7, 7)),
        ("mobilenetv3_small_050", "blocks.5.0", None),
    ],
)
def test_a_network_of_timms_is_taken_and_its_layer_found(name, layer, shape):
    own = settings(f"timm/{name}", input_size=224)
    check.check(own, 32, 3, "auto", True)
    model = check.without_memory(own["architecture"], 3, 32, "auto", pretrained.expects(own["architecture"], None, 224))
    found = families.layer(model.eval(), "auto", 32)
    assert shape is None or (found, families._shapes(model, [found], 32)[found][1:]) == (layer, shape)


def test_weights_and_normalisation_are_read_as_timm_reads_them(tmp_path):
    """A file as DataParallel leaves it, of another size: timm stretches the positions, its head is replaced."""
    elsewhere = timm.create_model("vit_tiny_patch16_224", num_classes=9, img_size=64)
    state = {f"module.{key}": value for key, value in elsewhere.state_dict().items()}
    torch.save(OrderedDict(state), tmp_path / "w.pth")
    architecture = "timm/vit_tiny_patch16_224"
    expects = pretrained.expects(architecture, "w.pth", 32)
    assert expects == {"size": 32, "mean": [0.5] * 3, "std": [0.5] * 3, "resize_filter": "bicubic"}
    model = networks.begin(architecture, 3, 16, "auto", expects, 0)
    pretrained.load(model, architecture, tmp_path / "w.pth")
    theirs = timm.create_model("vit_tiny_patch16_224", num_classes=9, img_size=32)
    bring = timm.models.vision_transformer.checkpoint_filter_fn
    timm.models.load_checkpoint(theirs, str(tmp_path / "w.pth"), filter_fn=bring)
    wanted = {key: value for key, value in theirs.state_dict().items() if not key.startswith("head.")}
    held = {key: value for key, value in model.network.state_dict().items() if not key.startswith("head.")}
    torch.testing.assert_close(held, wanted, rtol=0, atol=0)
    assert model(torch.zeros(2, 3, 16, 16)).shape == (2, 3)


def test_a_map_of_timms_vit_is_pytorch_grad_cams():
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", num_classes=5, img_size=64, depth=2).eval()
    torch.nn.init.normal_(model.head.weight)
    images, labels = torch.rand(3, 3, 64, 64) * 2 - 1, torch.tensor([0, 1, 2])
    ours = attend(model, images, labels, "auto")

    def reshape(tensor, height=4, width=4):  # of pytorch-grad-cam's tutorial
        result = tensor[:, 1:, :].reshape(tensor.size(0), height, width, tensor.size(2))
        return result.transpose(2, 3).transpose(1, 2)

    with GradCAM(model, [model.blocks[-1].norm1], reshape_transform=reshape) as cam:
        theirs = cam(images, [ClassifierOutputTarget(int(label)) for label in labels])
    torch.testing.assert_close(scaled(ours.true_maps, (64, 64)), theirs, rtol=0, atol=2e-3)


def test_without_timm_and_for_a_name_it_does_not_know_a_study_stops_in_one_line(monkeypatch):
    with pytest.raises(ValueError, match="^config: classifier.architecture: must name a model of timm's after"):
        check.check(settings("timm/nonesuch"), 32, 3, None, False)
    imported = builtins.__import__

    def without(name, *rest):
        if name.startswith("timm"):
            raise ModuleNotFoundError(name)
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match="^config: classifier.architecture: must be of an installed package, and timm"):
        check.check(settings("timm/resnet10t"), 32, 3, None, False)
