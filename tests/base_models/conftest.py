"""Published base models, each written once for all workers."""

import pytest

from tests import conftest
from tests.base_models import published


@pytest.fixture(scope="session")
def model_of(tmp_path_factory):
    """model_of("stable-diffusion-2-1"): the folder of a family in tiny widths; no test changes it."""
    return lambda family: conftest._made_once(tmp_path_factory, family, lambda folder: published.save(folder, family))
