"""workflow/pretraining/Snakefile: its targets by name, in a checkout whose tracked files stay as they are."""

import json
import re
import subprocess

import pytest

from tests import checkout

TINY = {
    **{"images": 20, "max_tokens": 12, "text_width": 8, "text_layers": 1, "vae_channels": [8, 8]},
    **{"vae_images_seen": 16, "unet_channels": [8, 8], "unet_images_seen": 16, "batch_size": 8},
}


@pytest.fixture
def copy(tmp_path):
    return checkout.with_git(checkout.copy(tmp_path / "checkout"))


def pretrain(folder, *arguments):
    command = ["snakemake", "-s", "workflow/pretraining/Snakefile", "--cores", "1", *arguments]
    run = subprocess.run(command, cwd=folder, env=checkout.environment(), capture_output=True, text=True)
    return run.returncode, run.stdout + run.stderr


@pytest.mark.long
def test_digits_makes_a_folder_of_its_own_and_leaves_the_shipped_one(copy):
    status, said = pretrain(copy, "digits", "--config", f"digits={json.dumps(TINY)}")
    assert status == 0, said
    made = copy / "results/pretraining/digits/model"
    shipped = copy / "resources/mini-sd-digits"
    assert names(made) == names(shipped)
    assert "| `vae_images_seen` | 16 |" in (made / "README.md").read_text()
    status, said = pretrain(copy, "--delete-all-output", "--config", f"digits={json.dumps(TINY)}")
    assert status == 0, said
    assert names(made) == set()
    assert checkout.git(copy, "status", "--porcelain") == ""


def names(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_given_a_folder_natural_plans_its_three_steps(copy):
    unseen = copy / "resources/cifar10/cifar-10-batches-py"
    unseen.mkdir(parents=True)
    (unseen / "batches.meta").touch()
    status, said = pretrain(copy, "natural", "-n", "--quiet", "rules", "--config", 'natural={"root": "/photographs"}')
    assert status == 0, said
    jobs = {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE)}
    assert jobs == {"collect": 1, "screen": 1, "natural": 1, "total": 3}


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--config", 'digits={"imagse": 3}'], "config: digits: unknown key 'imagse'; allowed: "),
        (["--config", 'digits={"vae_lr": "-1"}'], "config: digits.vae_lr: must be more than 0; got -1"),
        (
            ["results/pretraining/natural/photographs.h5"],
            "error: config: natural.root: must be the folder of the photographs; got None",
        ),
    ],
)
def test_a_mistake_is_one_line(copy, arguments, line):
    status, said = pretrain(copy, *arguments)
    assert status != 0
    assert sum(text.strip().startswith(line) for text in said.splitlines()) == 1, said
    assert "Traceback" not in said
