"""realgap.run.steps: what every step's command line has in common."""

import json
import resource
import subprocess
import sys
from dataclasses import dataclass

import pytest

from realgap.base_model import prompting
from realgap.run import job_log, steps

STEP = """
from dataclasses import dataclass
from realgap.run import steps

@dataclass(frozen=True)
class Options:
    size: int
    name: str

def main():
    args, options = steps.parse("Do it.", Options, images={}, out={})
    if options.name == "value":
        raise ValueError("dataset.size: must be 3;\\n  got 4")
    if options.name == "bug":
        raise AssertionError("ours")
    if options.name == "file":
        open(args.images)
    if options.name == "disk":
        from realgap.store.files import whole
        with whole(args.out + "/x"):
            pass
    if options.name == "numpy":
        import numpy
        numpy.ones(1 << 31)
    if options.name == "torch":
        import torch
        torch.ones(1 << 32)
    print(args.images, options.size)

steps.run(main)
"""


def run(name, *more, images="none.h5", out="out", **settings):
    options = json.dumps({"size": 3, "name": name})
    command = [sys.executable, "-c", STEP, "--images", images, "--out", out, "--options", options, *more]
    return subprocess.run(command, capture_output=True, text=True, **settings)


def test_a_step_gets_its_files_and_its_options():
    done = run("fine", images="a b.h5")
    assert (done.returncode, done.stdout) == (0, "a b.h5 3\n")
    assert [line.startswith(job_log.MARK) for line in done.stderr.splitlines()] == [True]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("value", "error: dataset.size: must be 3; got 4\n"),
        ("file", "error: [Errno 2] No such file or directory: 'none.h5'\n"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_exit_1(name, line):
    done = run(name)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)


def test_the_traceback_behind_the_line_is_shown_when_asked_for(monkeypatch):
    monkeypatch.setenv("REALGAP_TRACEBACK", "1")
    said = run("value").stderr.splitlines()
    assert said[0] == "Traceback (most recent call last):"
    assert said[-1] == "error: dataset.size: must be 3; got 4"


def test_a_file_that_can_not_be_written_is_one_line_that_names_it(tmp_path):
    (tmp_path / "file").touch()
    done = run("disk", out=str(tmp_path / "file"))
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path}/file/x: could not be written: File exists\n"


def test_a_mistake_of_ours_keeps_its_traceback():
    done = run("bug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_a_step_that_is_given_too_little_memory_is_one_line(library):
    """`ulimit -v`, as some clusters set it for a job."""
    limits = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))}
    done = run(library, **limits)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: out of memory: this step needs more than it was given (a limit of the job, or `ulimit -v`)\n"
    )


@dataclass(frozen=True)
class Options:
    size: int
    name: str


@pytest.mark.parametrize(
    ("given", "odd"),
    [({"size": 1}, "name"), ({"size": 1, "name": "x", "colour": 2}, "colour"), ({"siz": 1, "name": "x"}, "siz, size")],
)
def test_options_that_are_missing_or_unknown_are_refused(monkeypatch, given, odd):
    monkeypatch.setattr(sys, "argv", ["step", "--options", json.dumps(given)])
    with pytest.raises(SystemExit, match=f"must hold exactly size, name; missing or unknown: {odd}$"):
        steps.parse("", Options)


def test_options_can_not_be_changed_by_a_step(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["step", "--options", '{"name": "x", "size": 1}'])
    _, options = steps.parse("", Options)
    assert options == Options(1, "x")
    with pytest.raises(AttributeError):
        options.size = 2


def test_a_file_that_is_not_named_is_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["step", "--out", "x"])
    with pytest.raises(SystemExit, match="2"):
        steps.parse("", images={}, out={})
    assert "--images" in capsys.readouterr().err


def test_many_files_may_have_one_name_and_underscores_become_hyphens(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["step", "--base-model", "m/model_index.json", "--shards", "a", "b"])
    args, options = steps.parse("", shards={"nargs": "+"}, base_model=steps.BASE_MODEL)
    assert (str(args.base_model), args.shards, options) == ("m", ["a", "b"], None)


def test_the_benchmark_has_the_columns_of_snakemake(tmp_path):
    assert run("fine", "--benchmark", str(tmp_path / "new" / "b.tsv")).returncode == 0
    header, values = (line.split("\t") for line in (tmp_path / "new" / "b.tsv").read_text().splitlines())
    measured = dict(zip(header, values, strict=True))
    assert list(measured) == ["s", "h:m:s", "max_rss", "cpu_time"]
    assert 0 <= float(measured["s"]) < 60
    assert measured["h:m:s"].startswith("0:00:")
    assert 5 < float(measured["max_rss"]) < 1000  # MB
    assert 0 < float(measured["cpu_time"]) < 60


def test_prompts_put_the_class_name_into_every_template(tmp_path):
    (tmp_path / "t.txt").write_text("a photo of a {}\n\n  {}, drawn {} \n", encoding="utf-8")
    assert prompting.of_class(tmp_path / "t.txt", "polar_bear") == [
        "a photo of a polar bear",
        "polar bear, drawn polar bear",
    ]


@pytest.mark.parametrize("text", ["", "\n \n", "a photo of a {}\na photo\n"])
def test_templates_without_a_place_for_the_class_name_are_refused_by_name(tmp_path, text):
    (tmp_path / "t.txt").write_text(text)
    with pytest.raises(ValueError, match=rf"{tmp_path / 't.txt'}: each line must be a prompt with \{{\}}"):
        prompting.of_class(tmp_path / "t.txt", "one")


def test_progress_passes_every_item_on_and_says_how_far_it_is(capsys):
    assert list(steps.progress(iter("abc"), 3, "inverting")) == ["a", "b", "c"]
    said = capsys.readouterr().err
    assert "inverting" in said
    assert "3/3" in said


def test_a_file_can_stand_for_very_many_arguments(tmp_path, monkeypatch):
    paths = [f"results/a study/{n}.h5" for n in range(5000)]
    (tmp_path / "list").write_text("\n".join(paths))
    monkeypatch.setattr(sys, "argv", ["step", "--shards", f"@{tmp_path / 'list'}", "--out", "x"])
    args, _ = steps.parse("", shards={"nargs": "+"}, out={})
    assert (args.shards, args.out) == (paths, "x")
