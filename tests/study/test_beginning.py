"""realgap.study.beginning: a study file that is right, says what was found, and asks for nothing that is not there."""

from pathlib import Path

import pytest
import yaml

from realgap.study import beginning, counts
from realgap.study import config as configuration

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())


def found(trained, tested=None, **changes):
    tested = tested or {name: max(1, count // 4) for name, count in trained.items()}
    facts = {
        "kind": "image_folder",
        "root": "birds",
        "sides": [300, 400, 480],
        "grey": 0.0,
        "has_parts": False,
        "gpus": 0,
    }
    return beginning.Found(trained=trained, tested=tested, **{**facts, **changes})


SETS = {
    "equal": found({"heron": 40, "egret": 40}),
    "3 to 500": found({f"class {n}": count for n, count in enumerate((3, 12, 40, 90, 120, 300, 500))}),
    "thousands": found({"heron": 9000, "egret": 2000}),
    "one to train on": found({"heron": 1, "egret": 9}, {"heron": 1, "egret": 3}),
    "odd names": found({"große Katze": 30, "#1: 'x'": 20, "猫": 10}),
    "with a card": found({"heron": 40, "egret": 40}, gpus=2),
    "grey": found({"heron": 40, "egret": 40}, grey=0.9, sides=[28] * 9),
    "split": found({"heron": 40, "egret": 40}, has_parts=True),
}


def laid_over(below, above):
    nested = {key: laid_over(below[key], above[key]) for key in above if isinstance(below.get(key), dict)}
    return {**below, **above, **nested}


@pytest.mark.parametrize("case", SETS)
def test_the_file_is_a_study_that_can_be_run(case, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    facts = SETS[case]
    study = yaml.safe_load(beginning.text("mine", facts))
    assert study == beginning.settings("mine", facts)
    study["dataset"]["root"] = str(tmp_path)
    config = laid_over(DEFAULT, study)
    configuration.check(config)
    settled = counts.settled(config, facts.trained)
    configuration.check_counts(settled)
    configuration.check_tested(settled, facts.tested)


def test_unequal_classes_are_balanced_and_equal_ones_are_left_alone():
    unequal, equal = (beginning.settings("mine", SETS[case]) for case in ("3 to 500", "equal"))
    assert unequal["classifier"]["class_balance"] == "balanced"
    assert unequal["sampling"] == {"samples_per_class": 250}
    assert "class_balance" not in equal["classifier"]
    assert equal["sampling"] == {"samples_per_image": 5}


def test_without_a_card_a_study_is_small_enough_for_a_processor():
    without, with_card = (
        beginning.settings("mine", found({"heron": 9000, "egret": 60}, gpus=gpus))["dataset"]["images_per_class"]
        for gpus in (0, 1)
    )
    assert (without, with_card) == ("up to 50", "up to 500")


def test_a_card_gets_stable_diffusion_and_none_the_shipped_miniature():
    with_card, without = (beginning.settings("mine", SETS[case])["base_model"] for case in ("with a card", "equal"))
    assert (with_card["hub"], with_card["resolution"]) == ("CompVis/stable-diffusion-v1-4", 256)
    assert without == {"path": "resources/mini-sd-natural", "resolution": 32}


def test_the_settings_of_a_model_are_those_of_a_study_that_was_made_with_it():
    for name, model in {"imagenette": "stable-diffusion-v1-4", "cifar10-mini": "mini-sd-natural"}.items():
        study = yaml.safe_load((ROOT / f"resources/studies/{name}.yaml").read_text())
        own = beginning.DIFFUSION[model]
        assert own["base_model"].items() <= study["base_model"].items()
        assert own["inversion"].items() <= study["inversion"].items()
        assert own["num_inference_steps"] == study["sources"]["diffusion_inversion"]["num_inference_steps"]
        assert own["guidance_scale"] == study["sources"]["diffusion_inversion"]["guidance_scale"]


def test_an_analysis_that_a_class_is_too_small_for_is_left_out():
    assert beginning.settings("mine", SETS["one to train on"])["analyses"] == ["saliency"]
    assert beginning.settings("mine", SETS["3 to 500"])["analyses"] == ["pilot", "saliency"]
    assert "errors" in beginning.settings("mine", SETS["equal"])["analyses"]


def test_steps_follow_from_the_number_of_real_images():
    steps = [beginning.settings("mine", found({"a": n, "b": n}, gpus=1))["classifier"]["steps"] for n in (10, 100, 450)]
    assert steps == sorted(steps)
    assert steps[0] == 100
    assert steps[2] == pytest.approx(25 * 900 / 64, abs=50)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("all.csv", "csv"),
        ("mine.HDF5", "hdf5"),
        ("bloodmnist_64.npz", "bloodmnist"),
        ("train.tar", "webdataset"),
        ("folder", "image_folder"),
        ("data/train-0.parquet", "parquet"),
    ],
)
def test_what_lies_there_says_its_kind(tmp_path, name, kind):
    path = tmp_path / "set" / name
    path.parent.mkdir(parents=True)
    path.mkdir() if name == "folder" else path.touch()
    assert beginning.kind_of(path) == kind
    if kind in ("parquet", "image_folder"):
        assert beginning.kind_of(tmp_path / "set") == kind


def test_what_is_no_data_set_is_one_line(tmp_path):
    (tmp_path / "a.txt").touch()
    with pytest.raises(ValueError, match=r"^images: must be a folder, or a file of .*; got .*a\.txt$"):
        beginning.kind_of(tmp_path / "a.txt")
    with pytest.raises(ValueError, match=r"^images: must be where your images are; got .*, nothing there$"):
        beginning.kind_of(tmp_path / "nowhere")
