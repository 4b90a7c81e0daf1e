"""realgap.run.records: what was made is known again by its bytes and those of its inputs, and nothing else is."""

import hashlib

import pytest

from realgap.run import records
from realgap.store import files


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study of one job, made of one file and one from outside; paths are relative, as Snakemake's."""
    monkeypatch.chdir(tmp_path)
    for path, text in (
        ("prompts.txt", "a {}"),
        ("study/in.csv", "1\n"),
        ("study/out.csv", "2\n"),
        ("study/out.png", "3"),
    ):
        files.write(path, text.encode())
    keep("study/in.csv", [])
    keep("study/out.csv", ["prompts.txt", "study/in.csv"], "study/out.png")
    return tmp_path / "study"


def keep(output, inputs, *more, endtime=1.5):
    checksums = {path: f"sha256:{files.sha256(path)}" for path in inputs}
    record = {"rule": "make", "input": inputs, "input_checksums": checksums, "endtime": endtime, "shellcmd": "make it"}
    records.keep("study", [([output, *more], record)])


def others(has_record=lambda path: False):
    return dict(records.compare("study", has_record).others)


def test_what_was_made_is_known_again(study):
    found = records.compare("study", lambda path: False)
    assert not found.others
    assert found.records["study/out.png"]["input"] == ["prompts.txt", "study/in.csv"]
    assert "shellcmd" not in found.records["study/out.png"]


def test_what_snakemake_has_a_record_of_is_left_alone(study):
    found = records.compare("study", lambda path: path == "study/in.csv")
    assert set(found.records) == {"study/out.csv", "study/out.png"}


@pytest.mark.parametrize("path", ["study/out.csv", "study/out.png"])
def test_other_bytes_in_one_file_of_a_job_are_none_of_its_files(study, path):
    (study.parent / path).write_text("other")
    assert others() == dict.fromkeys(["study/out.csv", "study/out.png"], f"{path} is not what was made")


@pytest.mark.parametrize("change", ["other bytes", "gone"])
def test_a_file_of_another_input_is_not_known(study, change):
    prompts = study.parent / "prompts.txt"
    prompts.unlink() if change == "gone" else prompts.write_text("the {}")
    said = "prompts.txt, of which it was made, is another now"
    assert others() == dict.fromkeys(["study/out.csv", "study/out.png"], said)


def test_what_no_record_speaks_of_is_not_known_but_logs_are_no_results(study):
    for name in ("more.csv", "logs/make.log", "benchmarks/make.tsv", "plan.log", ".in.csv.partial"):
        files.write(study / name, b"x")
    assert others() == {"study/more.csv": "nothing says how it was made"}


def test_an_input_whose_checksum_was_not_kept_is_another(study):
    record = {"rule": "make", "input": ["prompts.txt"], "input_checksums": {}, "endtime": 9}
    records.keep("study", [(["study/in.csv"], record)])
    assert "study/in.csv" in others()


@pytest.mark.parametrize("damage", ["gone", "empty", "a byte", "another file"])
def test_of_odd_records_nothing_is_known(study, damage):
    path = study / records.NAME
    content = path.read_bytes()
    match damage:
        case "gone":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "a byte":
            known = hashlib.sha256((study / "out.csv").read_bytes()).hexdigest().encode()
            path.write_bytes(content.replace(known, known[::-1]))
        case "another file":
            path.write_text("[1, 2]")
    assert set(others().values()) == {"nothing says how it was made"}


def test_a_job_is_read_once_and_again_when_it_ran_again(study, monkeypatch):
    read = []
    monkeypatch.setattr(records.files, "sha256", lambda path: read.append(path) or "0")
    keep("study/in.csv", [])
    assert not read
    keep("study/in.csv", [], endtime=2.5)
    assert read == ["study/in.csv"]
