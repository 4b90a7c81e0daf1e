"""Rendered scenes with known defects, end to end: does the workflow find each defect where it is?"""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests import checkout

RESULTS = Path("results/few-rooms")

# the study of resources/studies/rooms.yaml with fewer scenes
FEW = {
    "study": "few-rooms",
    "dataset": {"images_per_class": 6, "images_per_shard": 6, "test_images_per_class": 2},
    "classifier": {"steps": 2, "batch_size": 4},
    "seeds": [0],
    "geometry": {"shadow_pairs": f"{RESULTS}/shadow_pairs.csv"},
}

pytestmark = [pytest.mark.xdist_group("rooms"), pytest.mark.long]


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    """A copy of the checkout in which a small study of rooms has run to its report."""
    folder = checkout.copy(tmp_path_factory.mktemp("rooms") / "checkout")
    study = yaml.safe_load((folder / "resources/studies/rooms.yaml").read_text())
    for section, value in FEW.items():
        study[section] = {**study.get(section, {}), **value} if isinstance(value, dict) else value
    (folder / "rooms.yaml").write_text(yaml.safe_dump(study))
    run = checkout.snakemake(folder, study="rooms.yaml")
    assert run.returncode == 0, run.stdout + run.stderr
    return folder / RESULTS


def test_each_defect_ranks_first_in_the_number_that_is_for_it(rooms):
    table = pd.read_csv(rooms / "geometry/measures.csv")
    chance = table.pivot(index="source", columns="metric", values="chance_above_real")
    harmless = ["real_resampled", "real_blurred"]
    assert chance.unexplained_share["bent_lines"] > 0.9
    assert chance.unexplained_share["bent_lines"] > chance.unexplained_share[["second_light", "broken_camera"]].max()
    assert chance.unexplained_share["bent_lines"] > chance.unexplained_share[harmless].max()
    assert chance.off_square_deg["broken_camera"] > 0.75
    assert chance.off_square_deg["broken_camera"] > chance.off_square_deg[[*harmless, "second_light"]].max()
    shadows = pd.read_csv(rooms / "geometry/shadows.csv").set_index("source")
    assert shadows.inconsistent_share["second_light"] > 0.5
    assert shadows.inconsistent_share["real"] == shadows.inconsistent_share["broken_camera"] == 0
    # bending moves shadows too, but less than another light does
    assert shadows.out_deg_median.idxmax() == "second_light"


def test_a_second_light_leaves_lines_and_camera_alone(rooms):
    table = pd.read_csv(rooms / "geometry/measures.csv").set_index(["source", "metric"])
    for measure in ("unexplained_share", "off_square_deg"):
        assert table.chance_low["second_light", measure] < 0.6, measure


def test_every_number_stands_beside_the_controls(rooms):
    sources = ["real", "real_resampled", "real_blurred", "real_warped", "bent_lines", "second_light", "broken_camera"]
    assert list(pd.read_csv(rooms / "geometry/measures.csv").source.unique()) == sources
    cues = pd.read_csv(rooms / "geometry/cues.csv")
    assert list(cues.source.unique()) == sources[1:]
    assert set(cues.metric) == {"pixels", "segments", "structure", "field"}
    everyone = cues[cues.group == "all"]
    assert everyone.auc.between(0, 1).all()
    assert (everyone.auc_low <= everyone.auc).all()
    images = pd.read_csv(rooms / "geometry/images.csv")
    assert (images.groupby("source").size() == 18).all()
    assert images[images.source == "bent_lines"].image_id.tolist() == images[images.source == "real"].image_id.tolist()


def test_the_report_shows_the_section_with_its_figures(rooms):
    section = json.loads((rooms / "sections/geometry.json").read_text())
    assert len(section["figures"]) == 3
    for figure in section["figures"]:
        assert (rooms / figure["path"]).stat().st_size > 10_000
    page = (rooms / "report.html").read_text()
    for sentence in section["sentences"]:
        assert sentence.split(":")[0] in page
    assert 'id="geometry"' in page


def test_the_defects_are_the_same_scenes(rooms):
    from realgap.store import shards

    real, bent = (shards.read(rooms / f"{p}/room/0.h5", "images") for p in ("real", "samples/bent_lines"))
    assert real["image_ids"].tolist() == bent["image_ids"].tolist()
    difference = abs(real["images"].astype(int) - bent["images"]).mean(axis=(1, 2, 3))
    assert (difference > 1).all()
    assert bent.attributes["source"] == "bent_lines"
