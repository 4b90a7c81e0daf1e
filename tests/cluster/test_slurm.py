"""realgap.cluster.slurm: what SLURM's words mean. SLURM itself is in tests/slurm."""

import itertools

import pytest

from realgap.cluster import slurm


@pytest.mark.parametrize(
    "said",
    [
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS"
        " policy (job submit limit, user's size and/or time limits)",
        "sbatch: error: MaxSubmitJobsPerAccount",
        "sbatch: error: QOSMaxSubmitJobPerUserLimit",
        "sbatch: error: Batch job submission failed: Resource temporarily unavailable",
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
        "slurm_load_jobs error: Socket timed out on send/recv operation",
        "sbatch: error: Batch job submission failed: Required partition not available (inactive or drain)",
    ],
)
def test_what_time_mends_is_told_from_what_it_does_not(said):
    assert slurm.heals(said)
    assert slurm.heals(slurm.in_one_line(said))


@pytest.mark.parametrize(
    ("said", "todo"),
    [
        ("Invalid account or account/partition combination specified", "slurm_account"),
        ("invalid partition specified: nope", "sinfo -s"),
        ("Requested node configuration is not available", "sinfo -o '%P %G %m %c'"),
        ("Invalid qos specification", "qos"),
        ("Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)", "sacctmgr"),
    ],
)
def test_what_it_does_not_mend_has_a_remedy(said, todo):
    assert not slurm.heals(said)
    assert todo in slurm.remedy(said)


def test_a_complaint_is_one_line_without_repetitions():
    said = (
        "sbatch: error: invalid partition specified: x\nsbatch: error: Batch job submission failed: Invalid partition\n"
    )
    assert slurm.in_one_line(said * 2) == "invalid partition specified: x; Invalid partition"


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [("12:00:00", 720), ("2-12:30:00", 3630), ("00:00:30", 0.5), ("UNLIMITED", float("inf"))],
)
def test_times_of_slurm_are_minutes(limit, minutes):
    assert slurm.minutes(limit) == minutes


def test_gpus_are_the_most_of_each_model_on_one_node():
    fields = ["gpu:a100:4(S:0-1),mps:400", "gpu:a100:2", "gpu:1g.5gb:7(S:0)", "gpu:3", "(null)", ""]
    assert slurm._gpus(fields) == {"a100": 4, "1g.5gb": 7, "gpu": 3}


def test_pauses_grow_to_a_minute():
    assert list(itertools.islice(slurm.pauses(), 7)) == [2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize("given", ["-1", "inf", "nan", "soon"])
def test_patience_is_a_number_of_hours(monkeypatch, given):
    monkeypatch.setenv("REALGAP_SLURM_PATIENCE", given)
    with pytest.raises(ValueError, match=f"REALGAP_SLURM_PATIENCE: must be hours, 0 or more; got '{given}'"):
        slurm.patience_s()


def test_an_outage_is_waited_out_as_long_as_patience_lasts(monkeypatch):
    monkeypatch.setattr(slurm.time, "sleep", lambda seconds: None)
    answers, said = iter([slurm.Away("away"), slurm.Away("away"), "there"]), []

    def question():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert slurm.when_there(question, said.append) == "there"
    assert said == ["SLURM is away, asking again: away"]
    monkeypatch.setenv("REALGAP_SLURM_PATIENCE", "0")
    answers = iter([slurm.Away("away")])
    with pytest.raises(slurm.Away):
        slurm.when_there(question, said.append)
