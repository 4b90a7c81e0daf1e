"""envs/run and the pins: one command makes the environment, whole or not at all."""

import os
import re
import shutil
import signal
import stat
import subprocess
import time
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from tests import conda_pins

ENVS = Path(__file__).resolve().parents[2] / "envs"

# stands for python3 and for the environment's own python: makes no environment of gigabytes, but notes each step
STUB = """#!/bin/sh
case "$1 $2" in
    "-c "*) exit "${STUB_TOO_OLD:-0}" ;;
    "-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
    "-m pip") echo "pip: $*"; echo installing >>"$STUB_NOTES"; [ "${STUB_TAKES:-}" ] && exec sleep "$STUB_TAKES"
        exit "${STUB_FAILS:-0}" ;;
    *) echo "python of $0" ;;
esac
"""

# stands for df: a disk of the project and one of TMPDIR, or one for both, with what is free on each in GB
DF = """#!/bin/sh
row() { echo "/dev/a 1 1 $(($1 * 1000000000 / 1024)) 1% $2"; }
echo "Filesystem 1024-blocks Used Available Capacity Mounted on"
row "${STUB_FREE:-20}" /project
if [ "${STUB_FREE_TMP:-}" ]; then row "$STUB_FREE_TMP" /tmp; else row "${STUB_FREE:-20}" /project; fi
"""


@pytest.fixture
def project(tmp_path):
    """A checkout, in a folder with spaces, that holds nothing but envs/."""
    root = tmp_path / "a project of mine"
    (root / "envs").mkdir(parents=True)
    for name in ("run", "requirements.txt"):
        shutil.copy2(ENVS / name, root / "envs" / name)
    (tmp_path / "bin").mkdir()
    for name, text in (("python3", STUB), ("df", DF)):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return root


def begin(project, *command, cwd=None, run=None, **more):
    folder = project.parent
    environment = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "STUB_NOTES": str(folder / "notes"), **more}
    return subprocess.Popen(
        [run or project / "envs" / "run", *command],
        env=environment,
        cwd=cwd or folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_heed,
    )


def _heed():
    for number in (signal.SIGINT, signal.SIGHUP):  # ignored where tests run in the background, or under nohup
        signal.signal(number, signal.SIG_DFL)


def call(project, *command, stdin="", **settings):
    process = begin(project, *command, **settings)
    stdout, stderr = process.communicate(stdin, timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def installations(project):
    notes = project.parent / "notes"
    return notes.read_text().split() if notes.exists() else []


def wait_for_installing(project):
    end = time.monotonic() + 30
    while not installations(project):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_first_call_makes_the_environment_and_says_so_and_later_ones_are_silent(project):
    first = call(project, "python", "x")
    assert first.returncode == 0
    assert "making the environment in" in first.stderr
    assert "environment ready" in first.stderr
    again = call(project, "python", "x")
    assert (again.returncode, again.stdout, again.stderr) == (0, first.stdout, "")
    assert first.stdout == f"python of {project}/.venv/bin/python\n"
    assert installations(project) == ["installing"]


def test_it_installs_exactly_the_pins_without_asking_for_more(project):
    call(project, "true")
    said = (project / ".venv.log").read_text()
    assert f"-r {project}/envs/requirements.txt" in said
    assert "--no-deps" in said
    assert "index" not in said


def test_the_command_gets_its_arguments_streams_and_folder_and_gives_its_exit_code(project):
    call(project, "true")
    script = 'printf "%s|" "$@"; cat; pwd; echo "$VIRTUAL_ENV" >&2; exit 7'
    done = call(project, "sh", "-c", script, "_", "a b", "", "*", stdin="input\n", cwd=project.parent / "bin")
    assert done.returncode == 7
    assert done.stdout == f"a b||*|input\n{project.parent / 'bin'}\n"
    assert done.stderr == f"{project}/.venv\n"


@pytest.mark.parametrize(("cwd", "run"), [("envs", "./run"), ("envs", "run"), (".", "envs/run"), ("..", None)])
def test_it_works_from_any_folder(project, cwd, run):
    call(project, "true")
    command = ["sh", run] if run == "run" else [run or f"{project.name}/envs/run"]
    environment = {"PATH": f"{project.parent / 'bin'}:/usr/bin:/bin", "STUB_NOTES": str(project.parent / "notes")}
    done = subprocess.run([*command, "python", "x"], cwd=project / cwd, env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"python of {project}/.venv/bin/python\n", "")
    assert not (project / cwd / "workflow").exists()


def test_the_code_is_importable_and_a_given_path_stays(project):
    done = call(project, "sh", "-c", 'echo "$PYTHONPATH"')
    assert done.stdout == f"{project}/workflow\n"
    done = call(project, "sh", "-c", 'echo "$PYTHONPATH"', PYTHONPATH="/mine")
    assert done.stdout == f"{project}/workflow:/mine\n"


def test_changed_pins_or_a_moved_folder_make_the_environment_anew(project):
    call(project, "true")
    (project / ".venv" / "left over").touch()
    with open(project / "envs" / "requirements.txt", "a") as pins:
        pins.write("one-more==1.0\n")
    assert "making the environment" in call(project, "true").stderr
    assert not (project / ".venv" / "left over").exists()
    moved = project.with_name("moved")
    project.rename(moved)
    assert "making the environment" in call(moved, "true").stderr
    assert call(moved, "true").stderr == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_set_up_keeps_nothing_and_the_next_call_makes_it(project, number):
    process = begin(project, "true", STUB_TAKES="60")
    wait_for_installing(project)
    os.killpg(process.pid, number)  # as a terminal does
    assert process.wait(30) == 130  # not after the download, which takes 60 s
    assert "set-up interrupted, nothing kept" in process.stderr.read()
    assert not (project / ".venv").exists()
    assert "environment ready" in call(project, "true").stderr


def test_a_set_up_that_is_killed_leaves_nothing_that_looks_finished(project):
    process = begin(project, "true", STUB_TAKES="60")
    wait_for_installing(project)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    again = call(project, "true")
    assert (again.returncode, "environment ready" in again.stderr) == (0, True)
    assert installations(project) == ["installing"] * 2


def test_a_failed_installation_says_why_and_keeps_nothing(project):
    done = call(project, "echo", "must not run", STUB_FAILS="3")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"installing the pins failed, see {project}/.venv.log" in done.stderr
    assert "pip: -m pip install" in done.stderr  # the end of the log
    assert not (project / ".venv").exists()
    assert call(project, "true").returncode == 0


def test_two_first_calls_at_once_make_one_environment(project):
    both = [begin(project, "python", "x", STUB_TAKES="0.5") for _ in range(2)]
    for process in both:
        stdout, _ = process.communicate(timeout=60)
        assert (process.returncode, stdout) == (0, f"python of {project}/.venv/bin/python\n")
    assert installations(project) == ["installing"]


def test_an_old_python_is_refused_before_anything_is_made(project):
    done = call(project, "true", PYTHON="python3", STUB_TOO_OLD="1")
    assert done.returncode == 1
    assert done.stderr == "envs/run: python 3.11 or newer is needed, none found as: python3\n"
    assert not (project / ".venv").exists()


@pytest.mark.parametrize(
    ("free", "message"),
    [
        ({"STUB_FREE": "9"}, "10 GB must be free on the disk at /project, 9.0 GB are"),
        ({"STUB_FREE": "6", "STUB_FREE_TMP": "4"}, "7 GB must be free on the disk at /project, 6.0 GB are"),
        ({"STUB_FREE": "8", "STUB_FREE_TMP": "2"}, "3 GB must be free on the disk at /tmp, 2.0 GB are"),
    ],
)
def test_too_little_room_is_refused_before_anything_is_installed(project, free, message):
    done = call(project, "true", **free)
    assert (done.returncode, done.stderr) == (1, f"envs/run: {message}\n")
    assert installations(project) == []
    assert not (project / ".venv").exists()


@pytest.mark.parametrize("free", [{"STUB_FREE": "11"}, {"STUB_FREE": "8", "STUB_FREE_TMP": "4"}])
def test_room_for_the_environment_and_for_unpacking_is_enough(project, free):
    assert call(project, "true", **free).returncode == 0


def test_an_active_environment_is_used_when_asked_for(project):
    done = call(project, "sh", "-c", 'echo "$PATH"; command -v python3', REALGAP_ENV="active")
    path, python = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert str(project) not in path
    assert python == str(project.parent / "bin" / "python3")
    assert not (project / ".venv").exists()


def test_other_wishes_and_no_command_are_refused(project):
    done = call(project, "true", REALGAP_ENV="conda")
    assert (done.returncode, done.stderr) == (
        1,
        "envs/run: REALGAP_ENV must be 'active' or unset, got 'conda'\n",
    )
    done = call(project)
    assert done.returncode == 1
    assert "usage: envs/run CMD [ARG ...]" in done.stderr
    assert not (project / ".venv").exists()


def test_it_is_an_executable_script_that_any_posix_shell_reads():
    assert (ENVS / "run").stat().st_mode & stat.S_IXUSR
    assert subprocess.run(["sh", "-n", ENVS / "run"]).returncode == 0
    assert (ENVS / "run").read_text().startswith("#!/bin/sh\n")


# --- the pins ---------------------------------------------------------------------------------------------------


def test_every_pin_is_exact_and_nothing_says_where_to_get_it():
    for pin in conda_pins.pins():
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][A-Za-z0-9.]*( ; .+)?", pin), pin
    for path in (ENVS / "requirements.txt", ENVS / "requirements.in", ENVS / "realgap.yaml"):
        lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
        assert not re.search(r"https?:|--|@|file:|git\+", "\n".join(lines)), path


def test_the_conda_file_says_the_same():
    text = (ENVS / "realgap.yaml").read_text()
    assert text == conda_pins.conda_file(), "run: envs/run python tests/conda_pins.py"
    conda = yaml.safe_load(text)
    *plain, pip = conda["dependencies"]
    assert conda["channels"] == ["conda-forge"]
    assert plain == ["python=3.11", "pip"]
    assert pip == {"pip": conda_pins.pins()}


def test_everything_that_is_asked_for_is_pinned():
    names = {Requirement(pin).name for pin in conda_pins.pins()}
    lines = (ENVS / "requirements.in").read_text().splitlines()
    asked = {Requirement(line).name for line in lines if line and not line.startswith("#")}
    assert asked
    assert asked <= names


def test_the_environment_that_runs_this_has_the_pinned_versions():
    pinned = [Requirement(pin) for pin in conda_pins.pins()]
    here = [one for one in pinned if one.marker is None or one.marker.evaluate()]
    assert len({one.name for one in here}) == len(here) > 100
    other = {one.name: metadata.version(one.name) for one in here if metadata.version(one.name) not in one.specifier}
    assert not other


def test_every_rule_that_runs_something_names_the_conda_file():
    rules = "".join(path.read_text() + "\n" for path in (ENVS.parent / "workflow" / "rules").glob("*.smk"))
    running = [rule for rule in re.split(r"^rule ", rules, flags=re.M)[1:] if "    shell:" in rule]
    assert len(running) > 30
    assert [rule.split(":")[0] for rule in running if 'conda:\n        "../../envs/realgap.yaml"' not in rule] == []
