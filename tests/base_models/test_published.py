"""Stable Diffusion as it was published: read through the defaults of the library, whatever its configs leave out."""

import inspect

import pytest
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    PNDMScheduler,
    UNet2DConditionModel,
    UniPCMultistepScheduler,
)
from transformers import CLIPTextConfig, CLIPTokenizer

from realgap.base_model import autoencoder, check, layout
from realgap.cost import plan
from tests import given
from tests.base_models import published
from tests.base_models.reference import diffusers_pipeline
from tests.cost.test_plan import study

CLASSES = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}


@pytest.mark.parametrize("family", published.FAMILIES)
def test_the_scaling_factor_is_the_librarys_where_the_config_has_none(model_of, family):
    assert "scaling_factor" not in published.files(family)["vae/config.json"]
    assert autoencoder.scaling_factor(model_of(family)) == 0.18215


@pytest.mark.parametrize("part", CLASSES)
def test_what_a_config_leaves_out_is_read_as_the_library_reads_it(tmp_path, part):
    parameters = inspect.signature(CLASSES[part].__init__).parameters
    for key, value in layout.DEFAULTS[part].items():
        default = parameters[key].default
        assert value == (list(default) if isinstance(default, tuple) else default), key


def test_what_a_text_encoder_leaves_out_is_read_as_the_library_reads_it():
    usual = CLIPTextConfig()
    for key, value in layout.DEFAULTS["text_encoder"].items():
        assert value == getattr(usual, key), key


def test_what_a_scheduler_leaves_out_is_read_as_every_sampler_reads_it():
    for scheduler in (
        PNDMScheduler,
        DDIMScheduler,
        DDPMScheduler,
        DPMSolverMultistepScheduler,
        UniPCMultistepScheduler,
    ):
        parameters = inspect.signature(scheduler.__init__).parameters
        for key, value in layout.DEFAULTS["scheduler"].items():
            assert value == parameters[key].default, (scheduler, key)


@pytest.fixture(scope="module", params=published.FAMILIES)
def outline(request, tmp_path_factory):
    """(family, folder) at full width, without the weights' bytes."""
    return request.param, published.outline(tmp_path_factory.mktemp("outline"), request.param)


def test_a_folder_has_the_published_number_of_tensors_and_parameters(outline):
    """Of the UNet as its paper and the hub state them; the text encoder's positions are one tensor more."""
    family, folder = outline
    first = family.startswith("stable-diffusion-v1")
    shapes = {part: layout.shapes(folder, part) for part in published.WEIGHTS}
    assert {part: len(names) for part, names in shapes.items()} == {
        "unet": 686,
        "vae": 248,
        "text_encoder": 197 if first else 373,
    }
    assert layout.parameters(folder, "unet") == (859_520_964 if first else 865_910_724)
    assert layout.parameters(folder, "vae") == 83_653_863
    assert layout.parameters(folder, "text_encoder") == (123_060_480 if first else 340_387_840) + 77


def test_old_names_are_those_of_the_first_folders(outline):
    names = layout.shapes(outline[1], "vae")
    attention = {name.rsplit(".", 1)[0].split(".0.")[1] for name in names if "attentions" in name}
    assert attention == {"group_norm", "query", "key", "value", "proj_attn"}
    text = layout.shapes(outline[1], "text_encoder")
    assert all(name.startswith("text_model.") for name in text)
    assert text["text_model.embeddings.position_ids"] == (1, 77)


def test_a_published_model_is_checked_and_planned_at_full_width(outline):
    family, folder = outline
    check.check(folder, 512)
    model = {"path": str(folder), "hub": None, "revision": None, "resolution": 128}
    usual = {"hub": f"somebody/{family}", "path": "not there yet"}
    here, known = (plan.Plan(study("cifar10", base_model=model | change)) for change in ({}, usual))
    assert given.planned(here) == given.planned(known)
    assert here.weights_bytes == known.weights_bytes


@pytest.mark.parametrize("family", published.FAMILIES)
def test_the_tokens_are_those_of_openais_own_tokenizer(model_of, family):
    """Begin, words, end; then what the family pads with: the end once more, or in 2.x the first token."""
    ours = CLIPTokenizer.from_pretrained(model_of(family) / "tokenizer", local_files_only=True)
    theirs = published.openai_tokenizer()
    pad = 49407 if family.startswith("stable-diffusion-v1") else 0
    assert len(ours) == 49408
    for prompt in ("a photo of a cat", "A Truck.", "", "naïve café, 12 km", "word " * 90):
        words = theirs.encode(prompt)[:75]
        expected = [49406, *words, 49407] + (75 - len(words)) * [pad]
        assert ours(prompt, padding="max_length", truncation=True).input_ids == expected, prompt


@pytest.mark.parametrize("family", published.FAMILIES)
def test_diffusers_itself_loads_the_folder(model_of, family):
    pipeline = diffusers_pipeline(model_of(family))
    for part in published.WEIGHTS:
        stored, used = published.weights(model_of(family), part), getattr(pipeline, part).state_dict()
        ids = [name for name in stored if name.endswith("position_ids")]
        assert len(used) == len(stored) - len(ids)
        assert sum(values.sum().item() for values in used.values()) == pytest.approx(
            sum(values.sum().item() for name, values in stored.items() if name not in ids)
        )
