"""Exports are read back by the libraries that they are for: the same pixels, classes and numbers."""

import json

import datasets
import numpy as np
import pytest
import torchvision
import webdataset

from realgap.store import naming, shards
from tests import checkout

CLASSES = {"wild goose": 40, "heron": 7}  # neither in the order of labels nor names of folders


@pytest.fixture
def parts(tmp_path):
    """Two shards a class of real and of made images, and every picture by (class, source, id, variant)."""
    random, paths, truth = np.random.default_rng(0), [], {}
    for source in ("real", "made"):
        for number, (name, label) in enumerate(CLASSES.items()):
            arrays = {
                "images": random.integers(0, 256, (3, 8, 8, 3), np.uint8),
                "labels": np.full(3, label),
                "image_ids": 10**15 * number + np.arange(3),
                "variants": np.arange(3, dtype=np.int32) % 2,
            }
            paths.append(tmp_path / f"{source}-{number}.h5")
            about = {"step": "test", "source": source, naming.KEY: {name: label}}
            shards.write(paths[-1], "images", arrays, about)
            for row in range(3):
                whose = name, source, int(arrays["image_ids"][row]), int(arrays["variants"][row])
                truth[whose] = arrays["images"][row]
    return paths, truth


@pytest.fixture
def export(run_step, tmp_path):
    def run(paths, layout, encoding="png"):
        options = {
            **{"title": "geese: real + made", "study": "geese", "layout": layout, "encoding": encoding},
            **{"classes": CLASSES, "settings": {"seed": 3}, "base_model": "somebody/model"},
            "sources": {"real": "real images", "made": "images that were made"},
            "claims": {"real": "No guarantee.", "made": "None either."},
        }
        out = tmp_path / "out" / "README.md"
        run_step("scripts.export_write", "--shards", *paths, "--options", json.dumps(options), "--out", out)
        return out.parent

    return run


def key(name):
    """(source, id, variant) by the name of a picture."""
    source, *_, image_id, variant = name.rpartition("/")[2].partition(".")[0].split("-")
    return source, int(image_id), int(variant)


@pytest.mark.parametrize("encoding", ["png", "webp"])
def test_torchvision_reads_a_folder_of_images(parts, export, encoding):
    paths, truth = parts
    found = torchvision.datasets.ImageFolder(export(paths, "image_folder", encoding))
    folders = {naming.folder(name): name for name in CLASSES}
    assert found.classes == sorted(folders)
    read = {
        (folders[found.classes[label]], *key(path)): np.asarray(found.loader(path)) for path, label in found.samples
    }
    assert read.keys() == truth.keys()
    assert all((read[one] == truth[one]).all() for one in truth)


@pytest.mark.parametrize("encoding", ["png", "webp"])
def test_webdataset_reads_tar_files(parts, export, encoding):
    paths, truth = parts
    folder = export(paths, "webdataset", encoding)
    tars = sorted(map(str, folder.glob("*.tar")))
    assert len(tars) == len(paths)
    read = {}
    for picture in webdataset.WebDataset(tars, shardshuffle=False).decode("rgb8"):
        about = picture["json"]
        assert ["heron", "wild goose"][picture["cls"]] == about["class"]
        assert key(picture["__key__"]) == (about["source"], about["image_id"], about["variant"])
        read[about["class"], about["source"], about["image_id"], about["variant"]] = picture[encoding]
    assert read.keys() == truth.keys()
    assert all((read[one] == truth[one]).all() for one in truth)


def test_hugging_face_reads_the_folder_with_its_card(parts, export, tmp_path):
    paths, truth = parts
    folder = export(paths, "huggingface")
    found = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    assert found.features["label"].names == ["heron", "wild goose"]
    names = found.features["label"].names
    read = {
        (names[row["label"]], row["source"], row["image_id"], row["variant"]): np.asarray(row["image"]) for row in found
    }
    assert read.keys() == truth.keys()
    assert all((read[one] == truth[one]).all() for one in truth)


def test_the_card_says_what_the_images_are(parts, export):
    card = (export(parts[0], "huggingface") / "README.md").read_text()
    assert card.startswith("---\ntask_categories:\n- image-classification\n")
    for said in (
        "| heron | 6 |",
        "| wild goose | 6 |",
        "12 images of 8 px in 2 classes",
        "- made: images that were made",
        "## Privacy of the real images\n\n- real: No guarantee.\n- made: None either.",
    ):
        assert said in card
    assert "somebody/model. Its licence holds" in card
    assert '"seed": 3' in card
    assert "Nobody has looked yet" in card


@pytest.mark.parametrize("layout", ["image_folder", "webdataset", "huggingface"])
def test_an_export_that_was_stopped_goes_on(parts, export, layout):
    folder = export(parts[0], layout)
    written = sorted(path for path in folder.rglob("*.*") if path.suffix in (".png", ".tar", ".parquet"))
    content = {path: path.read_bytes() for path in written}
    times = {path: path.stat().st_mtime_ns for path in written}
    written[1].unlink()
    (folder / "README.md").unlink()
    export(parts[0], layout)
    assert {path: path.read_bytes() for path in written} == content
    assert [path for path in written if path.stat().st_mtime_ns != times[path]] == [written[1]]


def test_what_a_folder_holds_is_not_mixed_with_other_images(parts, export, tmp_path):
    export(parts[0], "image_folder")
    with pytest.raises(ValueError, match="out: holds other images, of an earlier state of the study; move it away"):
        export(parts[0][:2], "image_folder")
    (tmp_path / "out" / ".export.json").unlink()
    with pytest.raises(ValueError, match="out: must be empty for an export"):
        export(parts[0], "image_folder")


@pytest.mark.long
@pytest.mark.xdist_group("study")
def test_a_finished_study_is_exported_by_one_command(exporting_study, tmp_path):
    chosen = "export={of: real+stable_diffusion, layout: huggingface, encoding: webp}"
    run = checkout.snakemake(exporting_study, "--config", chosen, target="export")
    assert run.returncode == 0, run.stdout + run.stderr
    folder = exporting_study / "results/reduced/export/real+stable_diffusion.huggingface"
    found = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path))
    assert len(found) == 8 + 16
    assert "Diffusion" not in (folder / "README.md").read_text().splitlines()[8]
    wrong = checkout.snakemake(exporting_study, "-n", "--config", "export={of: real+nothing}", target="export")
    assert wrong.returncode == 1
    assert "config: export.of: must be made of " in wrong.stdout + wrong.stderr
    assert not checkout.plan(exporting_study), "an export must not ask for work"
