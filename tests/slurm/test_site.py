"""From a fresh checkout to the first job on a site with accounting, by the commands that the document begins with."""

import subprocess

import pytest

from tests import checkout
from tests.slurm.cluster import ACCOUNT
from tests.slurm.conftest import REAL, SOON_S

STUDY = ("--configfile", "study.yaml", "--", *REAL)

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("slurm sites"), pytest.mark.timeout(1200)]


def commands():
    """The lines of the document's first block, without their comments."""
    text = (checkout.ROOT / "workflow/docs/cluster.md").read_text()
    block = [line.partition("  #")[0].strip() for line in text.partition("\n\n    ")[2].split("\n\n")[0].splitlines()]
    return [line for line in block if line]


def test_the_documents_first_commands_lead_from_the_placeholder_to_the_first_job(accounted_cluster, light, start):
    checkout.with_git(light)
    refused = start(accounted_cluster, light, *STUDY)
    assert refused.finish(SOON_S) == 1
    assert f"slurm_account: must be one of {ACCOUNT}, root" in refused.said
    assert "got default; `snakemake site` writes it" in refused.said

    asking = [line for line in commands() if line.startswith(("sacctmgr", "sinfo", "envs/run snakemake site"))]
    assert len(asking) == 4
    environment = {**checkout.environment(), **accounted_cluster.environment, "REALGAP_ENV": "active"}
    environment["PATH"] = f"{accounted_cluster.environment['PATH']}:{checkout.environment()['PATH']}"
    environment["USER"] = accounted_cluster.run("id", "-un").strip()
    said = [
        subprocess.run(line, shell=True, cwd=light, env=environment, capture_output=True, text=True) for line in asking
    ]
    assert [one.returncode for one in said] == [0, 0, 0, 0], said
    told = [one.stdout for one in said]
    assert ACCOUNT in told[0]
    assert all(name in told[1] for name in ("cpu", "gpu", "preempt"))
    assert "gpu:a100:2" in told[2]
    assert f"slurm_account: {ACCOUNT}" in told[3]
    assert "# gpu_model: a100" in told[3]

    run = start(accounted_cluster, light, *STUDY)
    assert run.finish(SOON_S) == 0, run.said
    assert [job["state"] for job in run.jobs()] == ["COMPLETED"]
    assert accounted_cluster.run("squeue", "-h", "-t", "all", "-o", "%a", f"--name={run.name}").strip() == ACCOUNT
    # nothing of what is tracked, and slurm/site.yaml is ignored
    assert checkout.git(light, "status", "--porcelain") == f"?? {run.log.name}\n"


def test_a_sites_own_file_is_kept_and_its_keys_stand_in_the_place_of_the_profiles(light, at_site):
    at_site(light, default_partition="batch", invert_shard={"runtime": "600 * attempt"})
    with (light / "slurm/site.yaml").open("a") as file:
        file.write("gpu:\n  slurm_partition: accelerated\n  gpu_model: a100\n")
    rows = {row[0].partition(" + ")[0]: row for row in checkout.requests(light)}
    assert rows["extract_test"][3] == "batch"
    assert rows["encode_shard"][3:5] == ("accelerated", "a100:1")
    assert rows["invert_shard"][7] == 1200  # two in a group
    again = checkout.snakemake(light, target="site")
    assert again.returncode != 0
    assert "error: slurm/site.yaml: is there" in again.stdout + again.stderr


@pytest.mark.parametrize("text", ["jobs: 3\n", "[1]\n", "gpu: a100\n", "gpu: {\n"])
def test_an_odd_file_of_a_site_is_refused_in_a_line(light, text):
    (light / "slurm/site.yaml").write_text(text)
    run = checkout.snakemake(light, "--profile", "slurm", "-n", target=REAL[0])
    assert run.returncode != 0
    assert "slurm/site.yaml: " in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    assert checkout.snakemake(light, "-n", target=REAL[0]).returncode == 0, "a run on this machine does not read it"
