"""A private study: nothing reaches what leaves but through the mechanism, and budgets hold over studies."""

import json
import re
import shutil
import subprocess
import zipfile

import pandas as pd
import pytest
import yaml
from PIL import Image

from realgap.pretraining import typeset
from realgap.privacy import accounting, ledger
from realgap.store import provenance, shards
from tests import checkout

FEW = {"num_inference_steps": 2}
BUDGET = {"epsilon": 3.5, "delta": 1e-5, "neighbours": "replace_one"}
PRIVATE = {"kind": "dp_inversion", "clip": 2.0, **FEW}
STUDY = {
    **checkout.REDUCED,
    "study": "private",
    "seeds": [0],
    "analyses": ["audit"],
    "audit": {"reference_runs": 6, "canaries": 40},
    "privacy": BUDGET,
    "sources": {
        **checkout.REDUCED["sources"],
        "mild": {**PRIVATE, "epsilon": 3.0},
        "strong": {**PRIVATE, "epsilon": 1.0, "embedding_noise": 0.1},
        "bare": {**PRIVATE, "epsilon": None},
    },
    "training_sets": ["real", "stable_diffusion", "mild", "strong", "mild+strong", "bare", "real+mild"],
}
RESULTS = "results/private"

pytestmark = [pytest.mark.xdist_group("private"), pytest.mark.long]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = checkout.copy(tmp_path_factory.mktemp("private") / "checkout")
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    return folder


@pytest.fixture(scope="module")
def finished(prepared):
    run = checkout.snakemake(prepared)
    assert run.returncode == 0, run.stdout + run.stderr
    return prepared


@pytest.fixture(scope="module")
def bundled(finished):
    run = checkout.snakemake(finished, target="release")
    assert run.returncode == 0, run.stdout + run.stderr
    return finished / RESULTS / "release.zip"


def changed(folder, name="other.yaml", **sections):
    """Another study file beside the first."""
    study = {**STUDY, **{key: checkout._merge(STUDY.get(key), value) for key, value in sections.items()}}
    (folder / name).write_text(yaml.safe_dump(study))
    return name


def refused(folder, target="all", **sections):
    """The one line with which a dry run ends, and that nothing was planned."""
    run = checkout.snakemake(folder, "-n", target=target, study=changed(folder, **sections))
    assert run.returncode == 1, run.stdout
    said = [line for line in (run.stdout + run.stderr).splitlines() if line.startswith("config: ")]
    assert len(said) == 1, run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    assert "sample_shard" not in run.stdout
    return said[0]


def graph(folder, target):
    """Snakemake's own graph of jobs: (rule of each job, (from, to) edges), by its numbers."""
    command = ["snakemake", "--dag", "dot", "--forceall", "--configfile", "study.yaml", "--", target]
    run = subprocess.run(command, cwd=folder, env=checkout.environment(), capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    rules = dict(re.findall(r'^\s*(\d+)\[label = "(\w+)', run.stdout, re.M))
    return rules, set(re.findall(r"^\s*(\d+) -> (\d+)", run.stdout, re.M))


def before(job, edges, without):
    """All that a job hangs on, by ways that do not pass the jobs `without`."""
    found, new = set(), {job}
    while new:
        found |= new
        new = {one for one, other in edges if other in new and one not in without} - found
    return found - {job}


def test_every_way_from_real_images_to_what_leaves_passes_the_mechanism(prepared):
    rules, edges = graph(prepared, "release")
    (leaves,) = [job for job, rule in rules.items() if rule == "release"]
    mechanisms = {job for job, rule in rules.items() if rule == "release_source"}
    assert len(mechanisms) == 2  # not the one without noise
    seen = {rules[job] for job in before(leaves, edges, without=set())}
    assert {"extract_shard", "encode_shard", "invert_shard"} <= seen  # there are such ways
    passed = {rules[job] for job in before(leaves, edges, without=mechanisms)}
    assert passed == {"sample_release_shard", "assemble", "train"}
    assert not {rule for rule in seen if rule.startswith("extract_test") or rule == "evaluate"}  # nor test images


def test_a_rule_that_hands_real_images_past_the_mechanism_ends_the_run_in_one_line(tmp_path):
    folder = checkout.copy(tmp_path / "checkout")
    rules = folder / "workflow/rules/privacy.smk"
    text = rules.read_text()
    given = '        release=f"{OUT}/releases/{{source}}.h5",\n'
    assert text.count(given) == 1
    rules.write_text(
        text.replace(given, f'{given}        images=f"{{OUT}}/real/{{{{class_name}}}}/{{{{shard}}}}.h5",\n')
    )
    assert refused(folder, "release", privacy={"release": ["mild"]}) == (
        "config: privacy.release: must name rows of released sources alone; mild may not leave: real/zero/0.h5 -> "
        "samples/mild/zero/0.h5 -> training_sets/mild.h5 -> classifiers/mild/seed-0.safetensors"
    )


@pytest.mark.parametrize("row", ["real", "real+mild", "bare", "stable_diffusion"])
def test_a_row_that_saw_more_than_releases_with_noise_may_not_leave(prepared, row):
    said = refused(prepared, "release", privacy={"release": ["mild", row]})
    assert said.startswith(f"config: privacy.release: must name rows of released sources alone; {row} may not leave: ")


def test_what_is_asked_for_and_is_no_row_or_not_there_is_one_line(prepared):
    assert refused(prepared, "release", privacy={"release": ["none"]}).endswith("rows of training_sets; got 'none'")
    said = refused(prepared, "release", training_sets=["real", "bare"])
    assert said.startswith("config: training_sets: must have a row of released sources alone")


def test_the_steps_past_the_mechanism_cannot_reach_what_reads_real_images():
    for step in ("privacy_sample", "classifier_assemble", "classifier_train"):
        reached = provenance.definitions(provenance.code(f"scripts.{step}"))
        readers = ("loaders", "reading", "own", "inventory", "folders", "arrays", "readers")
        assert not [name for name in reached if name.startswith(tuple(f"realgap.data.{one}" for one in readers))]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"privacy": {"epsilon": 3.0}}, "privacy.epsilon: mild, strong must not be released: of 3 at delta 1e-05 0 is"),
        ({"privacy": {"base_model_saw": ["digits"]}}, "base_model.path: must be a model that has not seen the images"),
        ({"inversion": {"start": "random"}}, "inversion.start: must be prompt for a source of kind dp_inversion"),
    ],
)
def test_misuse_ends_in_one_line_before_any_job(tmp_path, changes, says):
    folder = checkout.copy(tmp_path / "checkout")
    assert says in refused(folder, **changes)
    assert not (folder / "results/privacy").exists()


def test_its_rows_are_in_the_table_and_verify_knows_its_files(finished):
    table = pd.read_csv(finished / RESULTS / "table.csv").set_index("training_set")
    assert table.n_generated.to_dict() == dict(zip(STUDY["training_sets"], (0, 16, 16, 16, 32, 16, 16), strict=True))
    run = checkout.snakemake(finished, target="verify")
    found = re.search(r"private: (\d+) of (\d+) artefacts are finished, 0 damaged", run.stdout + run.stderr)
    assert found, run.stdout + run.stderr
    assert found[1] == found[2]
    assert not checkout.plan(finished)


def test_the_audit_attacks_each_row_by_runs_on_halves_and_its_releases_enter_no_ledger(finished):
    audit = finished / RESULTS / "audit"
    runs = {path.parent.name for path in audit.glob("runs/*/*.h5")}
    assert runs == {"real", "mild", "strong", "bare"}
    assert len(list(audit.glob("runs/mild/*.h5"))) == 6
    one, other = (shards.read(audit / f"runs/mild/{run}.h5", "predictions") for run in (0, 1))
    assert len(one.attributes["members"]) == 4  # of 8
    assert not set(one.attributes["members"]) & set(other.attributes["members"])
    attacks, claims = (pd.read_csv(audit / f"{name}.csv") for name in ("attacks", "claims"))
    assert set(attacks.attack) == {"LiRA", "RMIA", "threshold"}
    assert attacks.found_1.isna().all()  # four non-members cannot resolve 1 %
    assert claims.set_index("source").epsilon.dropna().to_dict() == {"mild": 3.0, "strong": 1.0}
    page = (finished / RESULTS / "report.html").read_text()
    assert "What may be claimed, and what do attacks find?" in page
    assert "4 non-members are too few to say what an attack finds" in page


def test_the_ledger_holds_both_releases_and_not_the_one_without_a_guarantee(finished):
    known = ledger.read(ledger.found(finished / "results/privacy", ["digits"]))
    assert {one.source for one in known.releases} == {"mild", "strong"}
    both = [accounting.multiplier(epsilon, 1e-5) for epsilon in (3.0, 1.0)]
    assert known.spent() == pytest.approx(accounting.epsilon(accounting.together(both), 1e-5))


def test_a_second_study_of_the_same_images_may_make_the_same_release_and_no_other(finished):
    again = changed(finished, study="again")
    run = checkout.snakemake(finished, "-n", study=again)
    assert run.returncode == 0, run.stdout + run.stderr
    said = refused(finished, study="more", sources={"mild": {**PRIVATE, "epsilon": 3.0, "clip": 3.0}})
    assert re.search(r"mild must not be released: of 3.5 at delta 1e-05 3\.\d+ is spent \(by private\)", said)
    assert "privacy.epsilon: must be 3.5, as the ledger" in refused(finished, privacy={"epsilon": 50.0})


def test_of_a_deleted_release_the_same_bytes_come_back(finished):
    path = finished / RESULTS / "releases/mild.h5"
    kept = path.read_bytes()
    path.unlink()
    run = checkout.snakemake(finished, target="table")
    assert run.returncode == 0, run.stdout + run.stderr
    assert path.read_bytes() == kept
    known = ledger.read(ledger.found(finished / "results/privacy", ["digits"]))
    assert len(known.releases) == 2


def test_what_leaves_is_released_samples_classifiers_and_a_card_and_nothing_of_the_images(bundled, finished):
    with zipfile.ZipFile(bundled) as archive:
        names, card = set(archive.namelist()), json.loads(archive.read("card.json"))
        text = b"".join(archive.read(name) for name in names)
    expected = {"card.md", "card.json"}
    expected |= {f"releases/{name}.h5" for name in ("mild", "strong")}
    expected |= {f"samples/{s}/{c}/{n}.h5" for s in ("mild", "strong") for c in ("zero", "one") for n in (0, 1)}
    expected |= {f"classifiers/{row}/seed-0.safetensors" for row in ("mild", "strong", "mild+strong")}
    assert names == expected
    assert card["together"] == card["spent"]
    assert 3 < card["spent"] < 3.5
    real = [shards.read(path, "images") for path in (finished / RESULTS / "real").rglob("*.h5")]
    assert sum(map(len, real)) == 8
    for one in real:
        assert one.attributes["checksum"].encode() not in text
        assert not [image for image in one["images"] if image.tobytes() in text]
    secret = (finished / "results/privacy/secret").read_bytes()
    assert secret not in text


def test_of_a_users_own_images_a_study_of_the_same_ones_elsewhere_extends_the_ledger(tmp_path):
    folder = checkout.copy(tmp_path / "checkout")
    images, labels = typeset.render(40, 16, seed=5)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        if label < 2:
            path = folder / "mine" / ("zero", "one")[label] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    shutil.copytree(folder / "mine", folder / "copied")
    own = {"name": "image_folder", "root": "mine", "images_per_class": 2, "test_share": 0.3}
    first = changed(folder, study="own", dataset=own, analyses=[])
    run = checkout.snakemake(folder, target="results/own/releases/mild.h5", study=first)
    assert run.returncode == 0, run.stdout + run.stderr
    (path,) = (folder / "results/privacy").glob("*.json")
    known = ledger.read(path)
    assert (len(known.images), [one.source for one in known.releases]) == (4, ["mild"])
    said = refused(
        folder,
        study="elsewhere",
        analyses=[],
        dataset={**own, "root": "copied"},
        sources={"mild": {**PRIVATE, "epsilon": 3.0, "clip": 9.0}},
    )
    assert "mild, strong must not be released: of 3.5 at delta 1e-05 3 is spent (by own)" in said
