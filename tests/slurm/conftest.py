"""A cluster for the tests of this folder, studies prepared for it, and Snakemake as a user starts it there."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml

from tests import checkout
from tests.slurm.cluster import ACCOUNT, Cluster, missing

# two shards whose inversion takes half a minute of a quiet core each: long enough to be hit
SLOW = {
    **checkout.REDUCED,
    "study": "slow",
    "dataset": {"classes": ["zero", "one"], "images_per_class": 4, "images_per_shard": 2},
    "inversion": {"steps_per_image": 1500},
}
MOMENTS = [f"results/slow/moments/zero/{shard}.h5" for shard in (0, 1)]
REAL = [f"results/slow/real/zero/{shard}.h5" for shard in (0, 1)]
EMBEDDINGS = [f"results/slow/embeddings/zero/{shard}.h5" for shard in (0, 1)]
SOON_S = 400  # what takes 15 s, or sbatch's own two minutes of asking, on a machine with other work
# the profile's own pace is a gentle one
QUICK = ("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "20")


def _running(accounting: bool):
    if absent := missing(accounting):
        packages = "slurm-wlm munge" + " slurmdbd mariadb-server" * accounting
        reason = f"needs a SLURM ({', '.join(absent)} not found; Debian: apt-get install {packages})"
        (pytest.fail if os.environ.get("REALGAP_SLURM") == "required" else pytest.skip)(reason)
    cluster = Cluster(accounting)
    try:
        yield cluster.start()
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def cluster():
    """A running cluster without accounting."""
    yield from _running(accounting=False)


@pytest.fixture(scope="session")
def accounted_cluster():
    """A running cluster with slurmdbd."""
    yield from _running(accounting=True)


def made_up_cards(folder: Path) -> Path:
    """A checkout whose steps take the cluster's cards, which are none, for cards, and compute on the CPU."""
    devices = folder / "workflow/realgap/devices.py"
    text = devices.read_text()
    check = "def require_gpu() -> None:\n"
    assert check in text
    devices.write_text(text.replace(check, "def require_gpu() -> None:\n    return\n\n\ndef _never() -> None:\n"))
    return folder


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory):
    """A checkout in which the slow study ran to its embeddings on this machine, without any fault."""
    folder = made_up_cards(checkout.copy(tmp_path_factory.mktemp("unbroken") / "checkout"))
    (folder / "study.yaml").write_text(yaml.safe_dump(SLOW))
    command = ["snakemake", "--configfile", "study.yaml", "--", *EMBEDDINGS]
    run = subprocess.run(command, cwd=folder, env=checkout.environment(), capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


@pytest.fixture
def prepared(unbroken, tmp_path):
    """A checkout with the slow study's moments; its embeddings remain to be made."""
    folder = tmp_path / "checkout"
    shutil.copytree(unbroken, folder, symlinks=True)
    shutil.rmtree(folder / "results/slow/logs")
    for path in EMBEDDINGS:
        (folder / path).unlink()
    return folder


@pytest.fixture
def light(tmp_path):
    """A checkout of the slow study whose real images (REAL) remain to be made: seconds without torch."""
    folder = checkout.copy(tmp_path / "checkout")
    (folder / "study.yaml").write_text(yaml.safe_dump(SLOW))
    return folder


@pytest.fixture
def at_site() -> Callable[..., None]:
    """Writes the site's own file: at_site(folder, extract_shard={"runtime": 10})."""

    def write(folder: Path, account: str = ACCOUNT, default_partition: str = "cpu", **single: dict) -> None:
        usual = {"slurm_account": account, "slurm_partition": default_partition}
        (folder / "slurm/site.yaml").write_text(yaml.safe_dump({"default-resources": usual, "set-resources": single}))

    return write


class Run:
    """`snakemake --profile slurm` in a checkout, as from a login shell."""

    def __init__(
        self,
        cluster: Cluster,
        folder: Path,
        *arguments: str,
        within: Sequence[str] = (),
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.cluster, self.folder = cluster, folder
        self.log = folder / "driver.log"
        self.before = len(self.text())
        path = cluster.environment["PATH"]
        own, _, others = path.partition(":")
        inherited = {**cluster.environment, "PATH": f"{own}:{Path(sys.executable).parent}:{others}"}
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(
                [*within, "snakemake", "--profile", "slurm", *QUICK, *arguments],
                cwd=folder,
                env={**inherited, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    @property
    def said(self) -> str:
        return self.text()[self.before :]

    @property
    def name(self) -> str:
        """SLURM's name of this run's jobs."""
        found = self.cluster.wait_for(lambda: "SLURM run ID: " in self.said and self.said, "the run to begin")
        return found.partition("SLURM run ID: ")[2].split()[0]

    def jobs(self, rule: str = "") -> list[dict[str, str]]:
        return [job for job in self.cluster.jobs() if job["name"] == self.name and rule in job["comment"]]

    def finish(self, timeout_s: float = 1200) -> int:
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"still going after {timeout_s} s:\n{self.said[-3000:]}\n{self.cluster._condition()}")

    def kill(self) -> None:
        """As when its machine loses power."""
        self.process.kill()
        self.process.wait()

    def wait_for_inversions(self, shards: tuple[int, ...] = (0, 1), timeout_s: float = 600) -> None:
        """Until each shard's step has begun to optimise."""
        logs = [self.folder / f"results/slow/logs/invert_shard/zero-{shard}.log" for shard in shards]

        def begun() -> bool:
            return all(log.exists() and "inverting:" in log.read_text() for log in logs)

        self.cluster.wait_for(begun, "the inversions to begin", timeout_s)


@pytest.fixture
def start() -> Callable[..., Run]:
    """Starts Snakemake; what still runs at the end of a test is interrupted, its jobs cancelled with it."""
    runs = []

    def begin(cluster: Cluster, folder: Path, *arguments: str, **more: object) -> Run:
        runs.append(Run(cluster, folder, *arguments, **more))
        return runs[-1]

    yield begin
    for run in runs:
        if run.process.poll() is None:
            run.process.send_signal(signal.SIGINT)
            try:
                run.process.wait(60)
            except subprocess.TimeoutExpired:
                run.kill()
        if "SLURM run ID" in run.said:
            run.cluster.run("scancel", f"--name={run.name}")
            run.cluster.wait_for(
                lambda run=run: all(job["state"] not in ("RUNNING", "PENDING", "COMPLETING") for job in run.jobs()),
                "jobs to end",
                90,
            )


@pytest.fixture
def edit_profile() -> Callable[..., None]:
    """Edits a checkout's slurm/config.yaml as a site would: edit_profile(folder, retries=1, invert_shard={...})."""

    def edit(folder: Path, **changes: object) -> None:
        path = folder / "slurm/config.yaml"
        profile = yaml.safe_load(path.read_text())
        profile["groups"].pop("invert_shard")  # each shard its own job: to be hit by a fault of its own
        for name, value in changes.items():
            if name in profile["set-resources"]:
                profile["set-resources"][name] = {**profile["set-resources"][name], **value}
            else:
                profile[name.replace("_", "-")] = value
        path.write_text(yaml.safe_dump(profile))

    return edit
