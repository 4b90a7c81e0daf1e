"""realgap.run.cards and the rules: each job of a local run has a card of its own, on made-up cards."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from realgap.run import cards
from tests import checkout, stub_study

# in place of nvidia-smi: two cards
QUERY = """#!/bin/sh
case "$*" in
    *name,compute_cap,driver_version*) echo 'Made-up 9000, 9.9, 999.1'; echo 'Made-up 9000, 9.9, 999.1' ;;
    *uuid*) echo GPU-aaaa; echo GPU-bbbb ;;
esac
"""
# in place of python: a step that takes its card as all do, holds it for a while and says from when until when
STEP = """#!{python}
import json, os, pathlib, sys, time
sys.path.insert(0, "workflow")
from realgap.run import cards
given = dict(zip(sys.argv, sys.argv[1:]))
if "--gpus" in given:
    cards.claim(int(given["--gpus"]))
began = time.time()
time.sleep(float(os.environ["TAKES_S"]) if "--gpus" in given else 0)
seen = [given.get("--gpus"), os.environ.get("CUDA_VISIBLE_DEVICES"), began, time.time()]
out = pathlib.Path(given["--out"])
out.parent.mkdir(parents=True, exist_ok=True)
out.write_text(json.dumps(seen))
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A folder of programs for PATH that has two cards, and a place of its own for locks."""
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin/nvidia-smi", QUERY)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(cards.tempfile, "tempdir", None)
    for name in (cards.OFFERED, cards._LOCKS):
        monkeypatch.setenv(name, "")  # so that what offer() sets is taken back
        monkeypatch.delenv(name)
    yield tmp_path
    cards.tempfile.tempdir = None


def program(path, text):
    path.write_text(text)
    path.chmod(0o755)


def claimed(wanted=1, hold=""):
    """A process that claims a card and says which."""
    code = f"import sys; from realgap.run import cards; cards.claim({wanted}); import os\n"
    code += f"print(os.environ.get('CUDA_VISIBLE_DEVICES'), flush=True)\n{hold}"
    environment = {**os.environ, "PYTHONPATH": str(checkout.ROOT / "workflow")}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, **streams)


HOLD = "sys.stdin.read() if False else __import__('time').sleep(60)"


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (None, ["GPU-aaaa", "GPU-bbbb"]),
        ("1", ["1"]),
        ("2, GPU-bbbb", ["2", "GPU-bbbb"]),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["0"]),
    ],
)
def test_the_cards_are_those_that_the_environment_leaves_else_all(machine, monkeypatch, chosen, expected):
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert cards.there() == expected


def test_a_machine_without_the_query_has_no_cards(machine):
    (machine / "bin/nvidia-smi").unlink()
    assert cards.there() == []
    assert "no driver" in cards.described()


def test_a_query_that_fails_is_told_and_not_taken_for_no_cards(machine):
    program(machine / "bin/nvidia-smi", "#!/bin/sh\necho 'Driver/library version mismatch'; exit 18\n")
    with pytest.raises(OSError, match="Driver/library version mismatch"):
        cards.there()
    assert "Driver/library version mismatch" in cards.described()


def test_each_process_has_a_card_of_its_own_and_one_more_waits_until_a_card_is_free(machine):
    cards.offer(cards.there(), 2)
    held = [claimed(hold=HOLD) for _ in range(2)]
    try:
        assert {one.stdout.readline().strip() for one in held} == {"GPU-aaaa", "GPU-bbbb"}
        waiting = claimed()
        assert waiting.stderr.readline() == "waiting for a GPU that no other job has\n"
        assert waiting.poll() is None
        held[0].send_signal(signal.SIGKILL)  # who is killed keeps nothing
        assert waiting.communicate(timeout=30)[0].strip().startswith("GPU-")
    finally:
        for one in held:
            one.kill()
            one.communicate()


def test_more_jobs_than_cards_share_them_evenly(machine):
    cards.offer(["a", "b"], 4)
    held = [claimed(hold=HOLD) for _ in range(4)]
    seen = sorted(one.stdout.readline().strip() for one in held)
    for one in held:
        one.kill()
        one.communicate()
    assert seen == ["a", "a", "b", "b"]


def test_who_wants_no_card_sees_none_and_a_job_of_no_local_run_keeps_what_it_has(machine, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert claimed().communicate()[0].strip() == "3"
    cards.offer(["3"], 1)
    assert claimed(wanted=0).communicate()[0] == "\n"


@pytest.fixture
def study(machine):
    """A study of four shards whose steps are stubs, and the environment to run it in."""
    folder = machine / "checkout"
    environment = stub_study.make(folder, classes=2, slices=2)
    program(folder / "bin/python", STEP.replace("{python}", sys.executable))
    return folder, {**environment, "TAKES_S": "1.0"}


def run(study, *arguments, until="encode_shard"):
    folder, environment = study
    command = [sys.executable, "-m", "snakemake", "--configfile", "study.yaml", "--cores", "4", "--until", until]
    done = subprocess.run([*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(path.read_text()) for path in sorted((folder / "results/stub/moments").rglob("*.h5"))]


def most_at_once(seen):
    return max(sum(a <= at < b for _, _, a, b in seen) for _, _, at, _ in seen)


@pytest.mark.long
def test_four_jobs_on_two_cards_run_two_at_a_time_one_a_card(study):
    seen = run(study)
    assert [gpus for gpus, *_ in seen] == ["1"] * 4
    assert {card for _, card, _, _ in seen} == {"GPU-aaaa", "GPU-bbbb"}
    assert most_at_once(seen) == 2
    for card in ("GPU-aaaa", "GPU-bbbb"):
        spans = sorted((began, ended) for _, own, began, ended in seen if own == card)
        assert all(ended <= began for (_, ended), (began, _) in zip(spans, spans[1:], strict=False))


@pytest.mark.long
def test_a_user_may_give_fewer_cards_or_none(study):
    assert most_at_once(run(study, "--resources", "gpu=1")) == 1
    (study[0] / "results/stub/moments").rename(study[0] / "moments")
    assert [(gpus, card) for gpus, card, *_ in run(study, "--resources", "gpu=0")] == [("0", "")] * 4


@pytest.mark.long
def test_the_card_that_the_user_names_is_the_one_in_use(study):
    study[1]["CUDA_VISIBLE_DEVICES"] = "GPU-bbbb"
    seen = run(study)
    assert {card for _, card, _, _ in seen} == {"GPU-bbbb"}
    assert most_at_once(seen) == 1


@pytest.mark.long
def test_a_machine_without_cards_runs_as_many_jobs_as_it_has_cores(study):
    (study[0].parent / "bin/nvidia-smi").unlink()
    seen = run(study)
    assert [(gpus, card) for gpus, card, *_ in seen] == [("0", "")] * 4
    assert most_at_once(seen) > 2


@pytest.mark.long
def test_a_job_that_asked_for_a_gpu_ends_in_one_line_where_torch_sees_none(tmp_path):
    """The real step with the real torch; no card is visible, whatever the machine has."""
    folder = checkout.copy(tmp_path / "checkout")
    begun = time.monotonic()
    run = subprocess.run(
        [
            "snakemake",
            "--configfile",
            "study.yaml",
            "--resources",
            "gpu=1",
            "--cores",
            "2",
            "results/reduced/moments/zero/0.h5",
        ],
        cwd=folder,
        env={**checkout.environment(), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    (line,) = Path(folder / "results/reduced/logs/encode_shard/zero-0.log").read_text().splitlines()
    assert line.startswith("error: a GPU was asked for, and torch has none that it can use: ")
    for word in ("driver", "CUDA_VISIBLE_DEVICES is ''", "compute capability 7.5", "compute.device: cpu"):
        assert word in line
    assert time.monotonic() - begun < 300
