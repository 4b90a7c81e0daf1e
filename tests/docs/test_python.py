"""The page of Python calls: its code runs in a checkout with a finished study, and gives what the study says."""

import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from realgap.classifier import training
from tests import checkout

PAGE = checkout.ROOT / "workflow/docs/python.md"


@pytest.fixture(scope="module")
def told(exporting_study, tmp_path_factory):
    """The names that the page's code leaves."""
    run = checkout.snakemake(exporting_study, target="export_classifiers")
    assert run.returncode == 0, run.stdout + run.stderr
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
    results = str(exporting_study / "results/reduced")
    picture = str(tmp_path_factory.mktemp("page") / "three.png")
    code = code.replace("results/digits", results).replace("/three/", "/one/").replace("three.png", picture)
    names = {"picture": picture}
    exec(compile(code, str(PAGE), "exec"), names)
    return names


@pytest.mark.long
@pytest.mark.xdist_group("study")
def test_samples_stand_beside_the_image_that_they_were_made_of(told):
    shown = np.asarray(Image.open(told["picture"]))
    side = shown.shape[0] // 2
    first = next(iter(told["real"]))
    assert shown.shape == (2 * 16, 3 * 16, 3)
    assert (shown[:side, :side] == told["real"][first]).all()
    assert (shown[:side, side : 2 * side] == told["images"][told["real_ones"] == first][0]).all()


@pytest.mark.xdist_group("study")
def test_the_exported_program_names_what_the_network_names(told):
    assert told["classes"] == ["zero", "one"]
    images = np.concatenate([told["images"]] * 3)  # another number than the program was made with
    logits = training.predict(
        told["network"], images, batch_size=50, device=told["torch"].device("cpu"), dtype=told["torch"].float32
    )
    programmed = told["classifier"](told["torch"].from_numpy(images)).detach().numpy()
    np.testing.assert_allclose(programmed, logits, atol=1e-4)
    assert told["named"] == [told["classes"][place] for place in logits[: len(told["named"])].argmax(1)]


@pytest.mark.xdist_group("study")
def test_the_table_comes_out_as_the_study_has_it(told, finished_study):
    have = pd.read_csv(finished_study / "results/reduced/verdicts.csv").set_index("training_set")
    again = told["verdicts"].set_index("training_set").loc[have.index]
    np.testing.assert_allclose(again.accuracy_mean, have.accuracy_mean, rtol=1e-5)
