"""realgap.base_model.single_file: a checkpoint of the original code becomes the folder that it was published beside."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from realgap.base_model import autoencoder, check, denoiser, prompting, schedules, single_file
from realgap.cost.plan import ARCHITECTURES
from tests import checkout
from tests.base_models import ldm, published

CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=ldm.ARCHITECTURE)
def every(request, tmp_path_factory):
    return ldm.checkpoint(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return ldm.checkpoint("stable-diffusion-v1-5", tmp_path_factory.mktemp("one"))


@pytest.mark.long
def test_the_folder_is_the_one_that_was_published(every, tmp_path):
    file, architecture, folder = every
    single_file.convert(file, architecture, tmp_path / "made")
    check.check(tmp_path / "made", 128)
    for load in (denoiser.load, autoencoder.load):
        ours, theirs = (load(at, CPU, torch.float32).state_dict() for at in (tmp_path / "made", folder))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    prompts = ["a photo of a cat", ""]
    ours, theirs = (prompting.embed(at, prompts, CPU) for at in (tmp_path / "made", folder))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert autoencoder.scaling_factor(tmp_path / "made") == 0.18215
    (ours, target), (theirs, wanted) = (schedules.noise(at) for at in (tmp_path / "made", folder))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert target == wanted
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


@pytest.mark.parametrize("family", ldm.ARCHITECTURE)
def test_an_architecture_is_that_of_the_published_folder(family):
    """Key by key, as far as it says anything."""
    for path in (ARCHITECTURES / ldm.ARCHITECTURE[family]).rglob("*.json"):
        name = str(path.relative_to(ARCHITECTURES / ldm.ARCHITECTURE[family]))
        theirs = published.files(family, full_width=True)[name]
        for key, value in json.loads(path.read_text()).items():
            if key in theirs and key not in ("safety_checker", "feature_extractor", "sample_size"):
                assert value == theirs[key], (name, key)


def missing(tensors):
    del tensors["model.diffusion_model.out.2.weight"]


def inpainting(tensors):
    tensors["model.diffusion_model.input_blocks.0.0.weight"] = torch.zeros(32, 9, 3, 3)


def sdxl(tensors):
    for name in [name for name in tensors if name.startswith("cond_stage_model.")]:
        tensors[name.replace("cond_stage_model", "conditioner.embedders.0")] = tensors.pop(name)


def lora(tensors):
    tensors.clear()
    tensors["lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight"] = torch.zeros(4, 32)


@pytest.mark.parametrize(
    ("change", "part"), [(missing, "unet"), (inpainting, "unet"), (sdxl, "text_encoder"), (lora, "unet")]
)
def test_a_file_of_another_model_is_refused_in_one_line(checkpoint, tmp_path, change, part):
    file, architecture, _ = checkpoint
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, tmp_path / "other.safetensors")
    with pytest.raises(
        ValueError, match=f"other.safetensors: must be a whole checkpoint .* of its {part}; got"
    ) as caught:
        single_file.convert(tmp_path / "other.safetensors", architecture, tmp_path / "made")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "made").exists()


def test_a_pickle_is_refused_and_a_folder_is_never_replaced(checkpoint, tmp_path):
    file, architecture, folder = checkpoint
    (tmp_path / "v.ckpt").touch()
    with pytest.raises(ValueError, match="v.ckpt: must be safetensors; a pickle can run code and is never loaded"):
        single_file.convert(tmp_path / "v.ckpt", architecture, tmp_path / "made")
    with pytest.raises(ValueError, match="conversion.folder: must be a new folder; .* holds something already"):
        single_file.convert(file, architecture, folder)


@pytest.mark.long
def test_the_rule_makes_the_folder(checkpoint, tmp_path):
    file, architecture, _ = checkpoint
    project = checkout.copy(tmp_path / "checkout")
    study = checkout.changed(project, conversion={"file": str(file), "architecture": str(architecture), "folder": "m"})
    for _ in range(2):  # nothing to be done the second time
        run = checkout.snakemake(project, study=study, target="convert_base_model")
        assert run.returncode == 0, run.stdout + run.stderr
    check.check(project / "m", 128)
    assert len(json.loads((project / "m/conversion.json").read_text())["sha256"]) == 64
