"""realgap.classifier.pretrained: weights as torchvision publishes them, and what they expect of images."""

import functools
import hashlib
import http.server
import re
import threading
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models
from torchvision.transforms import v2

from realgap.classifier import networks, pretrained, training
from scripts import classifier_fetch
from tests import given

SETTINGS = {
    **{"steps": 3, "batch_size": 8, "lr": 0.05, "warmup": 0.0, "momentum": 0.9, "weight_decay": 0.0},
    **{"label_smoothing": 0.0, "crop_padding": 0, "horizontal_flip": False},
    **{"seed": 0, "device": torch.device("cpu"), "dtype": torch.float32},
}


def densenet():
    return models.DenseNet(4, (1, 2), 8, num_classes=6)


def vit(size=32):
    return models.VisionTransformer(size, 16, 2, 2, 16, 32, num_classes=6)


def trained_elsewhere(build):
    """A network of its own numbers, running statistics among them."""
    torch.manual_seed(7)
    model = build()
    for value in model.state_dict().values():
        value.copy_(torch.randn(value.shape).abs() if value.is_floating_point() else torch.tensor(9))
    return model


def put(path, state):
    """Weights as torch.save and as safetensors have them."""
    save_file(dict(state), path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


def as_of_2017(state):
    """Keys of a DenseNet before modules lost their dots, and batch norms before they counted."""
    named = [
        (re.sub(r"(denselayer\d+\.(?:norm|relu|conv))([12])", r"\1.\2", key), value) for key, value in state.items()
    ]
    return OrderedDict((key, value) for key, value in named if not key.endswith("num_batches_tracked"))


def as_of_2021(state):
    """Keys of a ViT before its perceptron was one of torchvision's."""
    return OrderedDict(
        (key.replace(".mlp.0.", ".mlp.linear_1.").replace(".mlp.3.", ".mlp.linear_2."), value)
        for key, value in state.items()
    )


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("build", "layout"),
    [
        (functools.partial(models.resnet18, num_classes=6), lambda state: state),
        (functools.partial(models.resnet18, num_classes=6), as_of_2017),
        (densenet, lambda state: state),
        (densenet, as_of_2017),
        (vit, lambda state: state),
        (vit, as_of_2021),
    ],
)
def test_all_but_the_last_linear_layer_is_the_files(tmp_path, build, layout, suffix):
    elsewhere = trained_elsewhere(build)
    path = put(tmp_path / f"weights{suffix}", layout(elsewhere.state_dict()))
    model = build()
    own = {name: value.clone() for name, value in model.state_dict().items()}
    pretrained.load(model, "it", path)
    head = f"{networks.head(model)}."
    for name, value in model.state_dict().items():
        counted = name.endswith("num_batches_tracked") and layout is as_of_2017
        wanted = own if name.startswith(head) or counted else elsewhere.state_dict()
        torch.testing.assert_close(value, wanted[name], rtol=0, atol=0)


def test_the_number_of_classes_of_a_file_does_not_matter(tmp_path):
    path = put(tmp_path / "w.pth", models.resnet18(num_classes=1000).state_dict())
    pretrained.load(networks.build("resnet18", 3, 32, "stock"), "resnet18", path)


def test_a_whole_checkpoint_and_one_of_before_archives_are_read(tmp_path):
    state = trained_elsewhere(densenet).state_dict()
    torch.save({"model": state, "epoch": 3}, tmp_path / "whole.pth")
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name in ("whole.pth", "old.pth"):
        model = densenet()
        pretrained.load(model, "it", tmp_path / name)
        torch.testing.assert_close(model.features.conv0.weight, state["features.conv0.weight"], rtol=0, atol=0)


def test_positions_of_a_vit_are_stretched_for_another_size_as_torchvision_does(tmp_path):
    elsewhere = trained_elsewhere(functools.partial(vit, 64))
    path = put(tmp_path / "w.pth", elsewhere.state_dict())
    model = vit(32)
    pretrained.load(model, "vit", path)
    theirs = models.vision_transformer.interpolate_embeddings(32, 16, OrderedDict(elsewhere.state_dict()))
    torch.testing.assert_close(model.encoder.pos_embedding.data, theirs["encoder.pos_embedding"], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("layer1.0.conv1.weight"), "layer1.0.conv1.weight is not there"),
        (lambda state: state.update(extra=torch.ones(2)), "extra is none of its keys"),
        (lambda state: state.update(conv1_=0) or state.pop("conv1_"), None),
        (
            lambda state: state.update({"bn1.weight": torch.ones(3)}),
            "bn1.weight is 3 and must be 64",
        ),
    ],
)
def test_the_first_key_that_does_not_fit_is_named(tmp_path, change, said):
    state = models.resnet18().state_dict()
    change(state)
    path, model = put(tmp_path / "w.pth", state), models.resnet18(num_classes=3)
    if said is None:
        pretrained.load(model, "resnet18", path)
        return
    with pytest.raises(ValueError, match=rf"w.pth: must hold the weights of resnet18; got others: {said}") as caught:
        pretrained.load(model, "resnet18", path)
    assert "\n" not in str(caught.value)


class Code:
    def __reduce__(self):
        return print, ("run",)


def test_a_file_that_would_run_code_or_holds_no_weights_is_one_line(tmp_path, capsys):
    torch.save({"a": Code()}, tmp_path / "code.pth")
    (tmp_path / "text.pth").write_text("no weights")
    (tmp_path / "text.safetensors").write_text("no weights")
    torch.save({"a": 3}, tmp_path / "numbers.pth")
    for name in ("code.pth", "text.pth", "text.safetensors", "numbers.pth"):
        with pytest.raises(ValueError, match=rf"{name}: must (be weights that torch can read|hold tensors by name)"):
            pretrained.read(tmp_path / name)
    assert "run" not in capsys.readouterr().out


# --- what they expect of images -------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["resnet18", "efficientnet_b0", "vit_b_16", "efficientnet_v2_s"])
def test_images_are_resized_and_normalised_as_torchvision_does(architecture):
    """torchvision's own transforms, their crop of a larger image left out: all of the image is seen."""
    expects = pretrained.expects(architecture, "IMAGENET1K_V1", None)
    theirs = models.get_model_weights(architecture).IMAGENET1K_V1.transforms()
    size = theirs.crop_size[0]
    theirs.resize_size = [size]
    small = torch.from_numpy(np.random.default_rng(0).integers(60, 190, (3, 3, 24, 24), np.uint8))
    images = v2.functional.resize(small, [40, 40], antialias=True)
    seen = networks.Fitted(nn.Identity(), **expects)(training.to_pixel_values(images.permute(0, 2, 3, 1)))
    assert seen.shape == (3, 3, size, size)
    torch.testing.assert_close(seen, theirs(images.float() / 255), rtol=0, atol=1e-4)


def test_weights_say_their_size_and_a_study_may_say_another():
    assert pretrained.expects("resnet18", "DEFAULT", None)["size"] == 224
    assert pretrained.expects("vit_b_16", "IMAGENET1K_SWAG_E2E_V1", None)["size"] == 384
    assert pretrained.expects("resnet18", "mine.pth", 96)["size"] == 96
    assert pretrained.expects("resnet18", None, None) is None
    only = pretrained.expects("resnet18", None, 48)
    x = torch.rand(2, 3, 48, 48) * 2 - 1
    torch.testing.assert_close(networks.Fitted(nn.Identity(), **only)(x), x)


# --- fine-tuning ----------------------------------------------------------------------------------------------------


def easy(n=24, size=8):
    labels = np.arange(n) % 3
    images = np.random.default_rng(0).integers(0, 60, (n, size, size, 3), np.uint8)
    images[..., 0] += (labels * 80).astype(np.uint8)[:, None, None]
    return images, labels


def fine_tuned(backbone_lr, model=None, **others):
    model = model or networks.begin("mobilenet_v3_small", 3, 8, "auto", EXPECTS, 0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    run = given.train(model, [easy()], [1.0], **{**SETTINGS, **others}, backbone_lr=backbone_lr)
    losses = list(run)
    return model, losses, {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


EXPECTS = {"size": 32, "mean": [0.5] * 3, "std": [0.5] * 3, "resize_filter": "bilinear"}


def test_a_linear_probe_changes_the_last_layer_alone_statistics_included():
    _, _, changed = fine_tuned(0)
    assert changed == {"network.classifier.3.weight", "network.classifier.3.bias"}


def test_the_backbone_learns_at_its_own_rate():
    (_, _, changed), (slow, *_), (fast, *_) = (fine_tuned(rate) for rate in (1e-3, 1e-6, 1e-1))
    assert any(name.startswith("network.features.0") for name in changed)
    start = networks.begin("mobilenet_v3_small", 3, 8, "auto", EXPECTS, 0)

    def moved(model, part):
        return float((model.get_submodule(part).weight - start.get_submodule(part).weight).detach().norm())

    assert moved(fast, "network.features.0.0") > 1000 * moved(slow, "network.features.0.0")
    assert moved(slow, "network.classifier.3") > 0.01
    same = fine_tuned(SETTINGS["lr"])[0].state_dict()
    torch.testing.assert_close(fine_tuned(None)[0].state_dict(), same, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("rate", [None, 0, 1e-3])
def test_what_is_dropped_at_random_is_the_same_after_a_stop(rate):
    """MobileNet has dropout, which draws from torch's own generator."""
    states, whole = [], networks.begin("mobilenet_v3_small", 3, 8, "auto", EXPECTS, 0)
    settings = {**SETTINGS, "backbone_lr": rate}
    losses = list(given.train(whole, [easy()], [1.0], **settings, offer=lambda state: states.append(state())))
    torch.rand(5)  # other draws between
    again = networks.begin("mobilenet_v3_small", 3, 8, "auto", EXPECTS, 0)
    assert torch.equal(
        torch.stack(list(given.train(again, [easy()], [1.0], **settings, state=states[0]))), torch.stack(losses)
    )
    torch.testing.assert_close(again.state_dict(), whole.state_dict(), rtol=0, atol=0)


def test_a_weight_that_the_network_does_not_use_stops_no_checkpoint():
    model, states = networks.begin("resnet20", 3, 8, "auto", None, 0), []
    model.unused = nn.Parameter(torch.ones(2))
    list(given.train(model, [easy()], [1.0], **SETTINGS, offer=lambda state: states.append(state())))
    going_on = networks.begin("resnet20", 3, 8, "auto", None, 0)
    going_on.unused = nn.Parameter(torch.ones(2))
    list(given.train(going_on, [easy()], [1.0], **SETTINGS, state=states[0]))
    torch.testing.assert_close(going_on.state_dict(), model.state_dict(), rtol=0, atol=0)


@pytest.mark.long
@pytest.mark.parametrize("architecture", ["convnext_tiny", "resnet18"])
def test_what_a_network_begins_at_follows_the_seed_alone(architecture):
    first, again, other = (
        networks.begin(architecture, 3, 32, "stock", {**EXPECTS, "size": 32}, seed).state_dict() for seed in (0, 0, 1)
    )
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    drawn = [name for name, value in first.items() if len(value.unique()) > 2]
    assert all(not torch.equal(first[name], other[name]) for name in drawn)


# --- fetching -------------------------------------------------------------------------------------------------------


def test_torchvisions_names_are_files_with_checksums():
    found = pretrained.published("resnet18", "IMAGENET1K_V1")
    assert found.url == "https://download.pytorch.org/models/resnet18-f37072fd.pth"
    assert (str(found.path), found.sha256) == ("resources/weights/resnet18-f37072fd.pth", "f37072fd")
    for architecture in models.list_models(module=models):
        for weights in models.get_model_weights(architecture):
            assert len(pretrained.published(architecture, weights.name).sha256) in (8, 10)


@pytest.fixture
def served(tmp_path):
    """(address, first digits of the SHA-256, its bytes) of weights on a server of this machine."""
    (tmp_path / "server").mkdir()
    put(tmp_path / "server" / "w.pth", densenet().state_dict())
    content = (tmp_path / "server" / "w.pth").read_bytes()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "server")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/w.pth", hashlib.sha256(content).hexdigest()[:8], content
        server.shutdown()


def test_weights_are_fetched_once_and_compared_with_the_checksum_of_their_name(served, tmp_path, monkeypatch):
    url, sha256, content = served
    path = tmp_path / "weights" / f"w-{sha256}.pth"

    def fetch(*wanted):
        monkeypatch.setattr(classifier_fetch.steps, "parse", lambda *_: (None, classifier_fetch.Options(list(wanted))))
        classifier_fetch.main()

    fetch((url, str(path), sha256))
    assert path.read_bytes() == content
    fetch(("http://127.0.0.1:1/never", str(path), sha256))
    other = tmp_path / "weights" / "other.pth"
    with pytest.raises(ValueError, match="must have the sha256 checksum 00000000, got .*; nothing was kept"):
        fetch((url, str(other), "0" * 8))
    assert not other.exists()
    (tmp_path / "weights" / "half.pth.partial").write_bytes(content[:1000])
    fetch((url, str(tmp_path / "weights" / "half.pth"), sha256))
    assert (tmp_path / "weights" / "half.pth").read_bytes() == content
