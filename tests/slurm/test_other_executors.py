"""The same profile with another executor of Snakemake: what jobs ask for reaches whatever command submits them."""

import pytest
import yaml

from tests import checkout
from tests.slurm.conftest import REAL, SOON_S

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("slurm"), pytest.mark.timeout(1200)]


def command():
    """The submit command of the document's example for PBS."""
    lines = (checkout.ROOT / "workflow/docs/cluster.md").read_text().splitlines()
    return next(line.strip().strip("'\\ ") for line in lines if line.strip().startswith("'qsub "))


def options(submit):
    return ("--executor", "cluster-generic", "--cluster-generic-submit-cmd", submit)


@pytest.fixture
def elsewhere(light):
    (light / "slurm/site.yaml").write_text(
        yaml.safe_dump({"default-resources": {"slurm_account": "vision", "slurm_partition": "cpu", "gpu": 0}})
    )
    return light


def test_a_dry_run_says_the_same_requests(elsewhere):
    usual = checkout.requests(elsewhere)
    assert len(usual) > 5
    assert checkout.requests(elsewhere, "study.yaml", *options(command())) == usual


def test_jobs_ask_by_the_documents_command_for_what_the_profile_says(cluster, elsewhere, start):
    """A qsub that translates PBS's options for a real scheduler; PBS itself is not there."""
    qsub = cluster.folder / "bin/qsub"
    qsub.write_text(
        "#!/bin/sh\n"
        'for script; do :; done; asked="$*"\n'
        """value() { printf %s "$asked" | sed -n "s/.*$1\\([^: ]*\\).*/\\1/p"; }\n"""
        'exec sbatch --parsable -o /dev/null -p "$(value "-q ")" -A "$(value "-A ")" -c "$(value ncpus=)"'
        ' --mem "$(value mem= | tr -d b)" -t "$(value walltime=)" "$script"\n'
    )
    qsub.chmod(0o755)
    asked = {row[0]: row for row in checkout.requests(elsewhere)}["extract_shard"]
    run = start(cluster, elsewhere, *options(command()), "--configfile", "study.yaml", "--", *REAL)
    try:
        assert run.finish(SOON_S) == 0, run.said
    finally:
        qsub.unlink()
    assert all((elsewhere / path).exists() for path in REAL)
    job = max(cluster.jobs(), key=lambda one: int(one["id"]))
    assert (job["state"], job["partition"], job["cpus"]) == ("COMPLETED", "cpu", "1")
    assert float(job["memory"].rstrip("M")) == 1000 * asked[6]
