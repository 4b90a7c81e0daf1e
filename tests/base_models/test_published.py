"""Stable Diffusion as it was published: read through the defaults of the library, whatever its configs leave out."""

import inspect

import pytest
from diffusers import AutoencoderKL, UNet2DConditionModel

from realgap import base_model_layout, models, plan
from tests.base_models import published
from tests.test_plan import study

CLASSES = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}


@pytest.mark.parametrize("family", published.FAMILIES)
def test_the_scaling_factor_is_the_librarys_where_the_config_has_none(model_of, family):
    assert "scaling_factor" not in published.files(family)["vae/config.json"]
    assert models.scaling_factor(model_of(family)) == 0.18215


@pytest.mark.parametrize("part", CLASSES)
def test_what_a_config_leaves_out_is_read_as_the_library_reads_it(tmp_path, part):
    published.write_json(tmp_path / "config.json", {})
    parameters = inspect.signature(CLASSES[part].__init__).parameters
    for key, value in base_model_layout.part_config(tmp_path / "config.json", part).items():
        default = parameters[key].default
        assert value == (list(default) if isinstance(default, tuple) else default), key


@pytest.mark.parametrize("family", published.FAMILIES)
def test_a_study_with_a_published_model_can_be_planned(tmp_path, family):
    for name, content in published.files(family, full_width=True).items():
        published.write_json(tmp_path / name, content)
    model = {"path": str(tmp_path), "hub": None, "revision": None, "resolution": 128}
    usual = {"hub": f"somebody/{family}", "path": "not there yet"}
    here, known = (plan.Plan(study("cifar10", base_model=model | change)).study() for change in ({}, usual))
    assert {name: work.flops for name, work in here.items()} == {name: work.flops for name, work in known.items()}
