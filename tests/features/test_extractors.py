import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    Dinov2Config,
    Dinov2Model,
)

from realgap.classifier import networks, training
from realgap.features.extractors import extract, load, penultimate

CPU = torch.device("cpu")


def images(n, size=32):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def test_penultimate_features_times_the_last_weights_are_the_logits():
    model = networks.initialise(networks.build("resnet18", 10, 16), seed=0)
    how = {"batch_size": 2, "device": CPU, "dtype": torch.float32}
    features, logits = penultimate(model, images(5, 16), **how), training.predict(model, images(5, 16), **how)
    assert features.shape == (5, 512)
    expected = features @ model.fc.weight.detach().numpy().T + model.fc.bias.detach().numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    assert not model.fc._forward_pre_hooks


def test_inception_features_are_torch_fidelity_s(tmp_path, monkeypatch):
    path = tmp_path / "inception.pth"
    with monkeypatch.context() as patch:  # a network of its kind with random weights, to be saved
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        torch.save({}, path)
        torch.manual_seed(0)
        network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(path))
    torch.save(network.state_dict(), path)
    x = images(2)
    expected = network(torch.from_numpy(x).permute(0, 3, 1, 2))[0]
    features = extract(load("inception", path, CPU), x, batch_size=1, device=CPU)
    assert features.shape == (2, 2048)
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-6)


def test_code_in_a_weights_file_does_not_run(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"fc.weight": Hostile()}, tmp_path / "inception.pth")
    with pytest.raises(ValueError, match="inception.pth: must hold plain tensors"):
        load("inception", tmp_path / "inception.pth", CPU)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "config", "part", "mean", "deviation"),
    [
        ("dinov2", Dinov2Config, Dinov2Model, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        (
            "clip",
            CLIPVisionConfig,
            CLIPVisionModelWithProjection,
            (0.48145466, 0.4578275, 0.40821073),
            (0.26862954, 0.26130258, 0.27577711),
        ),
    ],
)
def test_transformers_see_the_image_at_their_size_and_scale(tmp_path, name, config, part, mean, deviation):
    torch.manual_seed(0)
    width = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    network = part(config(image_size=224, patch_size=56, **width)).eval()
    network.save_pretrained(tmp_path)
    x = images(3, 224)  # no resizing, so that the input is known exactly
    pixel_values = (x / 255 - np.array(mean)) / np.array(deviation)
    output = network(torch.tensor(pixel_values, dtype=torch.float32).permute(0, 3, 1, 2))
    expected = output.pooler_output if name == "dinov2" else output.image_embeds
    features = extract(load(name, tmp_path, CPU), x, batch_size=2, device=CPU)
    np.testing.assert_allclose(features, expected.detach(), rtol=1e-4, atol=1e-4)
    assert extract(load(name, tmp_path, CPU), images(1), batch_size=2, device=CPU).shape == (1, features.shape[1])


@pytest.mark.parametrize("change", ["a layer more", "a layer less", "a weight gone", "a weight of another shape"])
def test_a_network_that_would_run_on_random_weights_is_refused(tmp_path, change):
    width = {"hidden_size": 32, "num_attention_heads": 2, "image_size": 224, "patch_size": 56}
    Dinov2Model(Dinov2Config(num_hidden_layers=2, **width)).save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    state = load_file(file)
    if change == "a weight gone":
        del state["layernorm.weight"]
    elif change == "a weight of another shape":
        state["layernorm.weight"] = torch.ones(5)
    else:
        layers = 3 if change == "a layer more" else 1
        Dinov2Config(num_hidden_layers=layers, **width).save_pretrained(tmp_path)
    save_file(state, file, metadata={"format": "pt"})
    with pytest.raises(
        ValueError, match=f"{tmp_path}: must hold the weights of a Dinov2Model; (missing|unexpected|of an)"
    ):
        load("dinov2", tmp_path, CPU)


def test_a_whole_clip_serves_though_its_text_half_is_not_used(tmp_path):
    layers = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    vision = CLIPVisionConfig(image_size=224, patch_size=56, **layers)
    text = CLIPTextConfig(vocab_size=50, bos_token_id=0, eos_token_id=1, **layers)
    CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict())).save_pretrained(tmp_path)
    assert extract(load("clip", tmp_path, CPU), images(1), batch_size=1, device=CPU).shape[0] == 1


def test_a_wrong_extractor_is_named(tmp_path):
    with pytest.raises(ValueError, match="extractor: must be one of inception, dinov2, clip, got 'vgg'"):
        load("vgg", tmp_path, CPU)
    with pytest.raises(ValueError, match="the weights of clip must be at .*; there is nothing"):
        load("clip", tmp_path / "none", CPU)
    with pytest.raises(ValueError, match="could not be loaded as Dinov2Model"):
        load("dinov2", tmp_path, CPU)
