"""Rendered views that several geometry tests look at; made once."""

import pytest

from realgap.rendering.scenes import SCENES, render


@pytest.fixture(scope="session")
def rendered():
    """Nine views of 320 x 240 px, the kinds in turn, none of which a constant was chosen on."""
    kinds = list(SCENES)
    return [render(kinds[seed % 3], 7000 + seed, 320, 240, clutter=0.4) for seed in range(9)]
