"""A label belongs to a class wherever two files meet: no step of a study takes files that give it to two classes."""

import re
import shlex
import shutil

import pytest

from realgap.store import naming, shards
from tests import checkout

# rule -> an input of its first job, in whose place one stands that exchanges the labels of the classes
MEET = {
    "assemble": "samples/vae_only/zero/0.h5",
    "evaluate": "test.h5",
    "map_saliency": "test.h5",
    "compare_saliency": "saliency/real/seed-0.h5",
    "measure_fidelity": "features/real.h5",
    "measure_detection": "features/real.h5",
    "infer_membership": "real/zero/0.h5",
    "audit_memorisation": "features/real.h5",
    "diagnose_errors": "predictions/real/seed-0.h5",
    "tabulate": "predictions/real/seed-0.h5",
    "tune_transfer": "test.h5",
}


@pytest.fixture(scope="module")
def commands(finished_study):
    """Of each rule the commands of its jobs, as Snakemake gives them."""
    run = checkout.snakemake(finished_study, "-n", "--forceall", "--printshellcmds")
    assert run.returncode == 0, run.stdout + run.stderr
    found = {}
    for command, rule in re.findall(r"(python -m scripts\.\w+ .*?) > \S+/logs/(\w+)[/.]\S* 2>&1", run.stdout):
        found.setdefault(rule, []).append(command)
    return found


@pytest.fixture
def folder(finished_study, tmp_path, monkeypatch):
    """A copy of the finished study whose files may be changed, to run steps in."""
    shutil.copytree(finished_study / "results", tmp_path / "results")
    for name in ("resources", ".snakemake"):
        (tmp_path / name).symlink_to(finished_study / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def exchange_labels(path):
    kind = shards.kind(path)
    made = shards.read(path, kind)
    exchanged = {{"zero": "one", "one": "zero"}[name]: label for name, label in made.attributes[naming.KEY].items()}
    attributes = {key: value for key, value in made.attributes.items() if key not in shards.HEADER}
    shards.write(path, kind, made.arrays, attributes | {naming.KEY: exchanged})


@pytest.mark.long
@pytest.mark.parametrize("rule", MEET)
def test_a_step_refuses_files_that_give_a_label_to_two_classes(folder, commands, run_step, rule):
    path = f"results/reduced/{MEET[rule]}"
    command = next(one for one in commands[rule] if takes(one, path))
    exchange_labels(path)
    module, *arguments = shlex.split(command)[2:]
    with pytest.raises(ValueError, match="must give each class the label that the study's other files give it"):
        run_step(module, *arguments)


def takes(command, path):
    """Whether a command reads a file, by its name or in a list of names."""
    listed = [word[1:] for word in shlex.split(command) if word.startswith("@")]
    return path in shlex.split(command) or any(path in open(name).read().split() for name in listed)
