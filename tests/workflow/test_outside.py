"""What stands outside of results/ is no output of a study: nothing that Snakemake does deletes or replaces it."""

import functools
import hashlib
import http.server
import re
import shutil
import tarfile
import threading

import pytest
import yaml
from PIL import Image

from realgap.data import catalog
from tests import checkout

TARGETS = ("all", "fetch_dataset", "fetch_base_model", "reported_numbers")
SHARD = "results/fetched/real/tench/0.h5"

pytestmark = pytest.mark.long


@pytest.fixture
def copy(tmp_path):
    """A checkout whose study has a data set and a base model that are fetched; both are there, the data as one file."""
    folder = checkout.copy(tmp_path / "checkout")
    data = folder / "data/cifar-10-batches-py/batches.meta"
    data.parent.mkdir(parents=True)
    data.write_text("mine")
    # a whole one: a base model that is there is checked before anything is planned
    shutil.copytree(checkout.ROOT / "resources/mini-sd-digits", folder / "models/mine")
    base_model = {"path": "models/mine", "hub": "CompVis/stable-diffusion-v1-4", "revision": "0" * 40}
    checkout.changed(
        folder,
        dataset={"name": "cifar10", "root": "data", "classes": ["cat", "frog"], "images_per_shard": 4},
        base_model={**base_model, "resolution": 128},
        sampling={"full_size_per_class": 4},
    )
    (folder / "changed.yaml").rename(folder / "study.yaml")
    return checkout.with_git(folder)


def test_every_output_of_a_study_is_below_results(copy):
    outputs = set()
    for target in TARGETS:
        run = checkout.snakemake(copy, "--summary", target=target)
        assert run.returncode == 0, run.stdout + run.stderr
        outputs |= {line.split("\t")[0] for line in run.stdout.splitlines()[1:]}
    assert len(outputs) > 100
    assert [path for path in outputs if not path.startswith("results/")] == []


def test_deleting_all_output_and_forcing_rules_leave_tracked_files_and_the_users_data(copy):
    made = copy / "results/reduced/test.h5"
    made.parent.mkdir(parents=True)
    made.write_text("made by a rule")
    for arguments in (
        ["--delete-all-output"],
        ["--forcerun", "fetch_dataset", "fetch_base_model", "--until", "fetch_dataset", "fetch_base_model"],
    ):
        run = checkout.snakemake(copy, *arguments)
        assert run.returncode == 0, run.stdout + run.stderr
        assert not made.exists()
        assert checkout.git(copy, "status", "--porcelain") == ""
    for target in ("fetch_dataset", "fetch_base_model"):
        run = checkout.snakemake(copy, "--force", target=target)
        assert run.returncode == 0, run.stdout + run.stderr
        assert "nothing to fetch" in run.stdout + run.stderr
    assert checkout.git(copy, "status", "--porcelain") == ""


def test_a_run_that_makes_everything_again_changes_nothing_but_results(tmp_path):
    """`-F` makes all that the target needs, though it is there; here up to the moments of a class's shard."""
    folder = checkout.copy(tmp_path / "checkout")
    snakefile = folder / "Snakefile"
    snakefile.write_text(snakefile.read_text().replace("        warm.start()\n", "        pass\n"))
    checkout.with_git(folder)
    before = stamps(folder)
    made = folder / "results/reduced/moments/zero/0.h5"
    seen = []
    for _ in range(2):
        run = checkout.snakemake(folder, "-F", target="results/reduced/moments/zero/0.h5")
        assert run.returncode == 0, run.stdout + run.stderr
        seen.append(made.stat().st_mtime_ns)
        assert stamps(folder) == before
        assert checkout.git(folder, "status", "--porcelain") == ""
    assert seen[0] < seen[1]


def stamps(folder):
    """Inode, size and time of every file that is no result, no state of Snakemake's and of git, and no byte code."""
    passed = {"results", ".snakemake", ".git", "__pycache__"}
    files = [path for path in folder.rglob("*") if path.is_file() and not passed & set(path.relative_to(folder).parts)]
    return {path: (path.stat().st_ino, path.stat().st_size, path.stat().st_mtime_ns) for path in files}


@pytest.fixture
def fetched(tmp_path):
    """A checkout of a study of an Imagenette of forty pictures, which a server of this machine has."""
    folder = checkout.copy(tmp_path / "checkout")
    pictures = tmp_path / "imagenette2-320"
    for part in ("train", "val"):
        for wnid in catalog.IMAGENETTE:
            (pictures / part / wnid).mkdir(parents=True)
            for number in range(2):
                Image.effect_noise((20, 16), 50).save(pictures / part / wnid / f"{number}.png")
    (pictures / "noisy_imagenette.csv").write_text("path\n")
    served = tmp_path / "served"
    served.mkdir()
    with tarfile.open(served / "imagenette2-320.tgz", "w:gz") as archive:
        archive.add(pictures, pictures.name)
    study = {
        "study": "fetched",
        "dataset": {"name": "imagenette", "root": "data", "classes": ["tench", "church"], "images_per_class": 2},
        "analyses": [],
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    md5 = hashlib.md5((served / "imagenette2-320.tgz").read_bytes()).hexdigest()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        known = folder / "workflow/realgap/data/catalog.py"
        there = catalog.ARCHIVES["imagenette"]
        text = known.read_text().replace(there.md5, md5)
        known.write_text(text.replace(there.url.rsplit("/", 1)[0], f"http://127.0.0.1:{server.server_port}"))
        yield folder, pictures, server
        server.shutdown()


def test_a_study_fetches_its_data_before_it_starts_and_is_finished_without_them_later(fetched):
    folder, _, server = fetched
    planned = checkout.snakemake(folder, "-n", target=SHARD)
    assert "before that: fetch_dataset, no data/imagenette2-320/noisy_imagenette.csv" in planned.stdout
    run = checkout.snakemake(folder, target=SHARD)
    assert run.returncode == 0, run.stdout + run.stderr
    assert (folder / SHARD).exists()
    server.shutdown()
    server.server_close()
    for _ in range(2):
        run = checkout.snakemake(folder, target=SHARD)
        assert "Nothing to be done" in run.stdout + run.stderr
        shutil.rmtree(folder / "data", ignore_errors=True)
    again = checkout.snakemake(folder, "--force", target=SHARD)
    assert again.returncode != 0
    (line,) = re.findall(r"^error: .*$", again.stdout + again.stderr, re.M)
    assert "run this again where there is internet, or put the file there yourself as data/imagenette2-320.tgz" in line
    assert "Traceback" not in again.stdout + again.stderr
    assert (folder / SHARD).exists()
    assert not list((folder / ".snakemake").glob("locks/*"))


def test_data_put_there_by_hand_need_no_server(fetched):
    folder, pictures, server = fetched
    server.shutdown()
    server.server_close()
    shutil.copytree(pictures, folder / "data" / pictures.name)
    run = checkout.snakemake(folder, target=SHARD)
    assert run.returncode == 0, run.stdout + run.stderr
    assert [path.name for path in (folder / "data").iterdir()] == [pictures.name]


def test_a_folder_of_the_users_that_is_in_the_way_is_left_as_it_is(fetched):
    folder, _, _ = fetched
    mine = folder / "data/imagenette2-320/mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    run = checkout.snakemake(folder, target=SHARD)
    assert run.returncode != 0
    assert (
        "data/imagenette2-320: must not be there when data/imagenette2-320.tgz is unpacked" in run.stdout + run.stderr
    )
    assert mine.read_text() == "mine"
    assert [path.name for path in mine.parent.iterdir()] == ["mine.txt"]


def test_a_folder_with_files_of_the_users_is_not_filled_from_the_hub(copy):
    shutil.rmtree(copy / "models/mine")
    (copy / "models/mine").mkdir()
    (copy / "models/mine/notes.json").write_text("mine")
    run = checkout.snakemake(copy, target="fetch_base_model")
    assert run.returncode != 0
    assert "base_model.path: must be an empty folder or a new one to fetch a model to; got models/mine" in run.stdout
    assert [path.name for path in (copy / "models/mine").iterdir()] == ["notes.json"]
