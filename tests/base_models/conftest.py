"""Published base models, each written once for all workers."""

import os
import shutil
from pathlib import Path

import pytest

from tests import conftest
from tests.base_models import published


@pytest.fixture(scope="session")
def model_of(tmp_path_factory):
    """model_of("stable-diffusion-2-1"): the folder of a family in tiny widths; no test changes it."""
    return lambda family: conftest._made_once(tmp_path_factory, family, lambda folder: published.save(folder, family))


@pytest.fixture
def copy_of(model_of, tmp_path):
    """copy_of("stable-diffusion-2-1"): a folder of a test's own, whose JSON files it may change."""

    def copy(source, target):
        # weights and the vocabulary are only ever replaced, never written into
        linked = Path(source).suffix == ".safetensors" or Path(source).name == "vocab.json"
        (os.link if linked else shutil.copy2)(source, target)

    return lambda family="stable-diffusion-v1-4": shutil.copytree(
        model_of(family), tmp_path / "model", copy_function=copy
    )
