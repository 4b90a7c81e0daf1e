"""The reduced digits study by `snakemake --profile slurm`, on a cluster with accounting."""

import contextlib
import csv
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from realgap.store import shards
from tests import checkout
from tests.slurm.cluster import ACCOUNT
from tests.slurm.conftest import Run, made_up_cards

RESULTS = Path("results/reduced")
# a step on a cluster costs ten seconds, and analyses are steps like others
NO_ANALYSES = {"analyses": []}
GPU_STEPS = {"inversion_encode", "inversion_invert", "sampling_sample", "sampling_reconstruct"}
GPU_STEPS |= {"classifier_train", "classifier_evaluate"}

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("slurm"), pytest.mark.timeout(2400)]


class Seen:
    """What the processes of steps say of themselves while they run: (step, node, GPUs, threads).

    shared: process numbers of those that run the steps of an entry one after another.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.steps, self.shared, self.torch_on_login = str(folder), set(), set(), False

    def look(self, run: Run) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (process / "cmdline").read_bytes().decode().split("\0")
                if "serve-in-turn" in command:
                    self.shared |= set((process / f"task/{process.name}/children").read_text().split())
                if "-m" not in command or str((process / "cwd").readlink()) != self.folder:
                    continue
                module = command[command.index("-m") + 1]
                if module.startswith("scripts."):
                    lines = (process / "environ").read_bytes().decode(errors="replace").split("\0")
                    said = dict(line.partition("=")[::2] for line in lines)
                    names = ("SLURMD_NODENAME", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
                    self.steps.add((module.removeprefix("scripts."), *(said.get(name) for name in names)))
        with contextlib.suppress(OSError):
            self.torch_on_login |= "libtorch" in Path(f"/proc/{run.process.pid}/maps").read_text()


@pytest.fixture(scope="module")
def study(accounted_cluster, tmp_path_factory):
    """A checkout whose config.yaml is the reduced study, run by the cluster; slurmdbd is away for a while."""
    folder = made_up_cards(checkout.copy(tmp_path_factory.mktemp("slurm study") / "checkout"))
    _make_default(folder)
    (folder / "slurm/site.yaml").write_text(yaml.safe_dump({"default-resources": {"slurm_account": ACCOUNT}}))
    run = Run(accounted_cluster, folder)
    seen, outage = Seen(folder), None
    try:
        while run.process.poll() is None:
            seen.look(run)
            if outage is None and (folder / RESULTS / "moments/zero/0.h5").exists():
                accounted_cluster.stop_accounting()
                outage = time.monotonic()
            if outage and time.monotonic() - outage > 20 and "slurmdbd" not in accounted_cluster.daemons:
                accounted_cluster.start_accounting()
            time.sleep(0.2)
    finally:
        if run.process.poll() is None:
            run.kill()
        if "slurmdbd" not in accounted_cluster.daemons:
            accounted_cluster.start_accounting()
    assert run.process.returncode == 0, run.said[-5000:]
    return folder, run, seen


def _make_default(folder: Path) -> None:
    config = yaml.safe_load((folder / "config.yaml").read_text())
    for section, value in {**checkout.REDUCED, **NO_ANALYSES}.items():
        config[section] = checkout._merge(config.get(section), value)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def test_the_results_equal_those_of_a_run_on_this_machine(study, finished_results):
    here, there = finished_results, study[0] / RESULTS
    assert (there / "table.csv").read_bytes() == (here / "table.csv").read_bytes()
    for shard, kind in (
        ("embeddings/zero/0.h5", "embeddings"),
        ("samples/diffusion_inversion/one/1.h5", "images"),
        ("samples/vae_only/one/0.h5", "images"),
    ):
        expected, made = (shards.read(results / shard, kind) for results in (here, there))
        np.testing.assert_array_equal(made[kind], expected[kind], strict=True)
        np.testing.assert_array_equal(made["image_ids"], expected["image_ids"])
    assert (there / "report.html").exists()


def test_gpu_steps_ran_on_gpu_nodes_with_one_gpu_each_and_only_they(study):
    seen = study[2].steps
    assert {step for step, *_ in seen} >= GPU_STEPS | {"data_extract", "classifier_assemble"}
    for step, node, gpus, _ in seen:
        if step in GPU_STEPS:
            assert node.startswith("gpu"), step
            assert gpus in ("0", "1", "2", "3"), step
        else:
            assert node.startswith("cpu"), step
            assert gpus is None, step


def test_threads_follow_the_allocation(study, accounted_cluster):
    for job in study[1].jobs():
        assert job["cpus"] == ("2" if "invert" in job["comment"] else "1"), job["comment"]
    # the second CPU of an inversion draws noise
    assert {threads for *_, threads in study[2].steps} == {"1"}


def test_the_steps_of_an_entry_shared_a_process(study):
    steps = len(list((study[0] / RESULTS / "logs").rglob("*.log")))
    entries = len(study[1].jobs())
    assert 4 <= len(study[2].shared) <= entries < steps / 2


def test_accounting_knows_what_ran_where_on_how_many_gpus(study, accounted_cluster):
    format_ = "--format=Partition,NodeList,AllocTRES%90,State,Comment%60"
    lines = accounted_cluster.run("sacct", "-X", "-P", "-n", f"--name={study[1].name}", format_).splitlines()
    assert lines
    for partition, node, allocated, state, comment in (line.split("|") for line in lines):
        assert state == "COMPLETED"
        assert node.startswith(partition), comment
        assert ("gres/gpu=1" in allocated) == (partition == "gpu"), comment
        assert "gres/gpu=2" not in allocated


def test_59_jobs_were_less_than_20_entries_in_the_queue(study):
    assert 10 <= len(study[1].jobs()) < 20


def test_the_driver_imported_no_torch(study):
    assert not study[2].torch_on_login


def test_the_efficiency_report_names_each_job_with_its_memory(study):
    (report,) = (study[0] / "logs/slurm").glob("efficiency_report_*.csv")
    with report.open() as file:
        rows = list(csv.DictReader(file))
    names = {row["RuleName"] for row in rows}
    assert "rule_tabulate" in names
    assert any("encode_shard" in name for name in names)
    memory = [float(row["MaxRSS_MB"]) for row in rows if "invert_shard" in row["RuleName"]]
    assert max(memory) > 100


def test_requests_hold_what_finished_jobs_took(study):
    """Each benchmark of a step lies below what its job asked for."""
    asked = {
        job["comment"]: (
            float(job["memory"].rstrip("M")),
            sum(60**k * int(t) for k, t in enumerate(job["time"].split(":")[::-1])),
        )
        for job in study[1].jobs()
    }
    for name, (memory_mb, limit_s) in asked.items():
        for folder in (study[0] / RESULTS / "benchmarks").iterdir():
            if folder.is_dir() and folder.name in name:
                taken = pd.concat(pd.read_csv(file, sep="\t") for file in folder.rglob("*.tsv"))
                assert pd.to_numeric(taken.max_rss, errors="coerce").max() < memory_mb, name
                assert taken.s.max() < limit_s, name


def test_nothing_to_do_needs_no_cluster(study, start, accounted_cluster):
    run = start(accounted_cluster, study[0])
    assert run.finish() == 0
    assert "Nothing to be done" in run.said
