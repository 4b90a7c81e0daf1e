"""A study whose images lie in WebP ends in the results of one whose images lie as they are."""

import pytest
import yaml

from realgap.store import shards
from tests import checkout

SMALL = {
    **{key: checkout.REDUCED[key] for key in ("study", "inversion", "sampling", "sources", "classifier", "compute")},
    "dataset": {"classes": ["zero", "one"], "images_per_class": 3, "images_per_shard": 3},
    "training_sets": ["real", "real+diffusion_inversion"],
    "seeds": [0, 1],
    "analyses": [],
}


def finished(folder, **store):
    checkout.copy(folder)
    (folder / "study.yaml").write_text(yaml.safe_dump({**SMALL, "store": store}))
    run = checkout.snakemake(folder, target="table")
    assert run.returncode == 0, run.stdout + run.stderr
    return folder / "results/reduced"


@pytest.mark.long
def test_a_study_in_webp_ends_in_the_bytes_of_a_raw_one_and_one_in_half_precision_says_so(tmp_path):
    raw = finished(tmp_path / "raw", images="raw")
    packed = finished(tmp_path / "packed", images="webp")
    half = finished(tmp_path / "half", embeddings="float16", moments="float16")
    names = sorted(path.relative_to(raw) for path in raw.rglob("*.h5"))
    assert names == sorted(path.relative_to(packed) for path in packed.rglob("*.h5"))
    for name in names:
        kind = shards.kind(raw / name)
        assert shards.checksum(raw / name) == shards.checksum(packed / name)
        assert shards.read(packed / name, kind).form == ("webp" if kind == "images" else None)
        assert shards.read(half / name, kind).form == ("float16" if kind in ("embeddings", "moments") else None)
    for name in ("table.csv", "accuracies.csv", "classifiers/real+diffusion_inversion/seed-1.safetensors"):
        assert (packed / name).read_bytes() == (raw / name).read_bytes()
    verified = checkout.snakemake(tmp_path / "packed", target="verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
