"""Promise: a damaged artefact is found before it is used, and named with the rule that makes it again."""

import json
import re
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest

from realgap.classifier import storage
from realgap.report import sections, tables
from realgap.run import verification
from realgap.store import shards
from tests import checkout

pytestmark = pytest.mark.xdist_group("study")

# one artefact of each kind, and the rule that makes it
OF_EACH_KIND = {
    "real/zero/0.h5": "extract_shard",
    "test.h5": "extract_test",
    "moments/zero/0.h5": "encode_shard",
    "embeddings/zero/0.h5": "invert_shard",
    "samples/vae_only/zero/0.h5": "reconstruct_shard",
    "samples/stable_diffusion/zero/0.h5": "sample_shard",
    "samples/diffusion_inversion/zero/0.h5": "sample_shard",
    "training_sets/real+vae_only.h5": "assemble",
    "classifiers/real/seed-0.safetensors": "train",
    "predictions/real/seed-0.h5": "evaluate",
    "accuracies.csv": "tabulate",
    "table.csv": "tabulate",
    "verdicts.csv": "tabulate",
    "pairs.csv": "tabulate",
    "metrics.csv": "tabulate",
    "figures/accuracy.png": "plot",
    "figures/accuracy.svg": "plot",
    "report.html": "report",
}
WITH_CHECKSUM = [name for name in OF_EACH_KIND if name.endswith((".h5", ".safetensors"))]


def flip(content):
    """One bit: in the arrays of a shard, in the list of sources of a union (its views are never read)."""
    changed = bytearray(content)
    changed[content.find(b"items") if b'"sources"' in content else len(content) // 2] ^= 4
    return bytes(changed)


DAMAGES = {"truncated": lambda content: content[: len(content) * 2 // 3], "empty": lambda content: b"", "flipped": flip}


def read(path):
    """As the steps that use an artefact read it."""
    if path.suffix == ".safetensors":
        return storage.load(path)
    return shards.read(path, shards.kind(path))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A small study of made-up arrays, every artefact there; and its graph as `snakemake verify` has it."""
    return make_study(tmp_path_factory.mktemp("made up") / "study", seed=0)


@pytest.fixture
def copy(study, tmp_path):
    folder, graph = study
    shutil.copytree(folder, tmp_path / "study")
    return tmp_path / "study", graph


def make_study(folder, seed):
    import torch

    ids = np.arange(3)
    random = np.random.default_rng(seed)
    graph = {}

    def known(name, options, **inputs):
        graph[name] = verification.Made(OF_EACH_KIND.get(name, "evaluate"), options, inputs)

    def put(name, kind, arrays, inputs=None, **more):
        made = {"step": "test", "options": {"seed": seed, "name": name}, **more}
        if inputs:
            made["inputs"] = {what: shards.joint([shards.checksum(folder / one)]) for what, one in inputs.items()}
        shards.write(folder / name, kind, arrays, made)
        known(name, made["options"], **{what: [one] for what, one in (inputs or {}).items()})

    pixels = random.integers(0, 256, (3, 8, 8, 3), np.uint8)
    images = {"images": pixels, "labels": ids, "image_ids": ids, "variants": ids.astype(np.int32)}
    about = {"labels": ids, "image_ids": ids}
    real, moments, embeddings = (f"{part}/zero/0.h5" for part in ("real", "moments", "embeddings"))
    put("test.h5", "images", images, source="real")
    put(real, "images", images, source="real")
    put(
        moments,
        "moments",
        {"mean": random.random((3, 1, 4, 4), np.float32), "std": np.ones((3, 1, 4, 4), np.float32)} | about,
        {"images": real},
    )
    learned = {"embeddings": random.random((3, 2, 40), np.float32), "losses": np.ones((3, 5), np.float32)}
    learned["visits"] = np.full(3, 5, np.int32)
    put(embeddings, "embeddings", learned | about, {"moments": moments})
    put("samples/vae_only/zero/0.h5", "images", images, {"moments": moments}, source="vae_only")
    put("samples/stable_diffusion/zero/0.h5", "images", images, {"images": real}, source="stable_diffusion")
    put("samples/diffusion_inversion/zero/0.h5", "images", images, {"images": real, "embeddings": embeddings})
    union = folder / "training_sets" / "real+vae_only.h5"
    shards.write_union(union, [folder / real, folder / "samples/vae_only/zero/0.h5"], {"parts": [["real", 3]]})
    known("training_sets/real+vae_only.h5", None)
    for name in ("real", "real+vae_only"):
        made = {"options": {"seed": seed}}
        if name == "real+vae_only":
            made["inputs"] = {"training_set": shards.checksum(union)}
        storage.save(folder / f"classifiers/{name}/seed-0.safetensors", {"w": torch.randn(500)}, made)
        of_set = {"training_set": ["training_sets/real+vae_only.h5"]} if name == "real+vae_only" else {}
        classifier_name = f"classifiers/{name}/seed-0.safetensors"
        graph[classifier_name] = verification.Made("train", made["options"], of_set)
        said = {"logits": random.random((3, 2), np.float32), **about, "labels": np.array([0, 1, 0])}
        classifier = verification.files.sha256(folder / f"classifiers/{name}/seed-0.safetensors")
        inputs = {"classifier": classifier, "test": shards.checksum(folder / "test.h5")}
        kept = {"training_set": name, "parts": [["real", 3]], "seed": 0, "inputs": inputs}
        kept["class_labels"] = {"zero": 0, "one": 1}
        shards.write(folder / f"predictions/{name}/seed-0.h5", "predictions", said, kept)
        known(f"predictions/{name}/seed-0.h5", None, classifier=[classifier_name], test=["test.h5"])
    return finish(folder, graph)


def finish(folder, graph):
    from matplotlib import pyplot

    from realgap.report import style

    predictions = [name for name in graph if name.startswith("predictions/")]
    opened = [shards.read(folder / name, "predictions") for name in predictions]
    said = [{**one.arrays, **one.attributes} for one in opened]
    for name, frame in verification.TABLES.items():
        (folder / name).write_text(tables.as_csv(frame(said, 0.02)))
    style.save(pyplot.figure(), folder / "figures/accuracy.png", folder / "figures/accuracy.svg")
    (folder / "report.html").write_text("<!doctype html><html><body>all of it</body></html>\n")
    products = (*verification.TABLES, "figures/accuracy.png", "figures/accuracy.svg", "report.html")
    return folder, {**graph, **{name: verification.Made(OF_EACH_KIND[name], {"margin": 2}, {}) for name in products}}


def test_a_whole_study_has_no_problem(study):
    folder, graph = study
    assert list(verification.Study(folder, graph).problems()) == []
    assert set(OF_EACH_KIND) <= set(graph)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", WITH_CHECKSUM)
def test_a_damaged_artefact_is_refused_when_used_with_what_to_do(copy, name, damage):
    path = copy[0] / name
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
        read(path)
    said = " ".join(str(caught.value).split())
    assert said.endswith("; delete it and run snakemake again: just this file is made again")


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", OF_EACH_KIND)
def test_verify_finds_the_damaged_artefact_and_names_its_rule(copy, name, damage):
    if damage == "flipped" and name.endswith((".svg", ".html")):
        pytest.skip("a changed letter of a page or a drawing is not noticed: they carry no checksum")
    folder, graph = copy
    (folder / name).write_bytes(DAMAGES[damage]((folder / name).read_bytes()))
    problems = list(verification.Study(folder, graph).problems())
    assert any(f"{folder}/{name}: " in one and one.endswith(f" (rule {OF_EACH_KIND[name]})") for one in problems), (
        problems
    )
    assert all("\n" not in one for one in problems)
    # what was made of it is sound in itself, except for a union, which shows its sources' content
    assert {one.partition(": ")[0] for one in problems} <= {
        f"{folder}/{name}",
        f"{folder}/real/zero/0.h5",
        f"{folder}/samples/vae_only/zero/0.h5",
    }


@pytest.mark.parametrize("name", OF_EACH_KIND)
def test_what_the_system_cannot_read_is_not_called_damaged(copy, name):
    """A file that is there and gives an input/output error: a process's own memory, at address 0."""
    folder, graph = copy
    (folder / name).unlink()
    (folder / name).symlink_to("/proc/self/mem")
    found = verification.Study(folder, graph)
    of_it = [one for one in found.problems() if f"{folder}/{name}: " in one]
    assert of_it
    for line in of_it:  # a union tells of its sources as well; weights are mapped, which is another error
        assert re.search(r"could not be read: (Input/output error|No such device) \(errno \d+\); it may be whole", line)
        assert "delete" not in line
    assert name in found.unread
    assert name not in found.damaged


@pytest.mark.parametrize("name", WITH_CHECKSUM)
def test_an_artefact_of_another_study_is_found_and_named(copy, tmp_path, name):
    folder, graph = copy
    other, _ = make_study(tmp_path / "other", seed=1)
    if name.startswith("training_sets/"):  # it names its sources by checksum, and here they are others
        shutil.copy(other / name, folder / name)
        with pytest.raises(
            ValueError, match=r"has changed since .*; delete it and run snakemake again: just this file"
        ):
            shards.read(folder / name, "images")
    shutil.copy(other / name, folder / name)
    problems = list(verification.Study(folder, graph).problems())
    assert any(f"(rule {OF_EACH_KIND[name]})" in one and f"{folder}/{name}" in one for one in problems), problems


def test_an_artefact_of_an_older_format_is_refused_with_what_to_do(copy):
    path = copy[0] / "moments/zero/0.h5"
    with h5py.File(path, "r+") as file:
        file.attrs["format"] = 0
    with pytest.raises(ValueError, match=r"format must be 1 or 2, got 0; delete it .*: just this file is made again"):
        shards.read(path, "moments")


def test_an_artefact_made_with_other_options_is_named_with_them(study):
    folder, graph = study
    made = graph["real/zero/0.h5"]
    changed = {**graph, "real/zero/0.h5": replace(made, options={**made.options, "seed": 7})}
    [problem] = verification.Study(folder, changed).problems()
    assert problem.startswith(f"{folder}/real/zero/0.h5: was made with seed 0, must be 7; delete it")
    assert problem.endswith("(rule extract_shard)")


def test_what_is_not_finished_is_not_damaged(copy):
    folder, graph = copy
    (folder / "moments/zero/0.h5").unlink()
    study = verification.Study(folder, graph)
    assert list(study.problems()) == []
    assert len(study.finished) == len(graph) - 1


def test_a_section_that_is_cut_off_is_named(tmp_path):
    path = tmp_path / "sections" / "fidelity.json"
    sections.save(path, sections.Section("fidelity", "A title", ["A sentence."]))
    graph = {"sections/fidelity.json": verification.Made("measure_fidelity", None, {})}
    assert list(verification.Study(tmp_path, graph).problems()) == []
    path.write_bytes(path.read_bytes()[:40])
    [problem] = verification.Study(tmp_path, graph).problems()
    assert str(path) in problem
    assert problem.endswith("(rule measure_fidelity)")


@pytest.mark.long
def test_snakemake_verify_checks_the_finished_study_and_finds_what_was_damaged(finished_study):
    results = finished_study / "results/reduced"
    run = checkout.snakemake(finished_study, target="verify")
    assert run.returncode == 0, run.stdout + run.stderr
    said = re.search(r"results/reduced: (\d+) of (\d+) artefacts are finished, 0 damaged", run.stdout + run.stderr)
    assert said[1] == said[2]
    assert int(said[1]) >= 64

    path = results / "embeddings/one/1.h5"
    whole, times = path.read_bytes(), path.stat()
    path.write_bytes(flip(whole))
    try:
        run = checkout.snakemake(finished_study, target="verify")
    finally:
        path.write_bytes(whole)
        verification.files.os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert run.returncode == 1
    assert "results/reduced/embeddings/one/1.h5: " in run.stdout + run.stderr
    assert "just this file is made again (rule invert_shard)" in run.stdout + run.stderr
    assert "1 job failed" in run.stdout + run.stderr
    assert not re.search("Traceback|IndexError", run.stdout + run.stderr)
    assert not checkout.plan(finished_study), "verifying must not ask for work"


def graph_of(folder):
    """What `snakemake verify` is given: path below the study's folder -> rule, options, inputs."""
    run = checkout.snakemake(folder, "-n", "--printshellcmds", target="verify")
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads((folder / re.search(r"--plan (\S+)", run.stdout)[1]).read_text())["graph"]


@pytest.mark.long
def test_the_rules_that_messages_name_are_those_that_make_the_files(finished_study):
    """What verify is told against Snakemake's own account of every file."""
    run = checkout.snakemake(finished_study, "--summary")
    rows = [line.split("\t") for line in run.stdout.splitlines()]
    head = next(number for number, row in enumerate(rows) if row[0] == "output_file")
    made = {row[0]: row[rows[head].index("rule")] for row in rows[head + 1 :]}
    graph = graph_of(finished_study)
    told = {f"results/reduced/{name}": of["rule"] for name, of in graph.items()}
    assert len(told) >= 60
    assert {path: made[path] for path in told} == told
    for path in told:
        if path.endswith(".h5"):
            assert len(shards.read(finished_study / path, shards.kind(finished_study / path))) > 0


@pytest.mark.long
def test_whatever_a_file_says_it_was_made_of_is_an_input_of_that_name_in_the_graph(finished_study):
    """Else verify would not see that it was made of another study's."""
    graph = graph_of(finished_study)
    said = 0
    for name, of in graph.items():
        path = finished_study / "results/reduced" / name
        if path.suffix not in (".h5", ".safetensors"):
            continue
        made = (
            storage.load(path)[1] if path.suffix == ".safetensors" else shards.read(path, shards.kind(path)).attributes
        )
        assert set(made.get("inputs", {})) <= set(of["inputs"]), name
        said += len(made.get("inputs", {}))
    assert said >= 40
