"""realgap.code.changes: which definitions made a step run again, in a few lines."""

import os

from realgap.code import changes

BEFORE = {"realgap.a.f": "1", "realgap.a.g": "2", "realgap.b.h": "3"}
NOW = {"realgap.a.f": "1", "realgap.a.g": "5", "realgap.c.k": "6"}


def test_it_says_what_changed_came_and_went(tmp_path):
    changes.keep("old", BEFORE, tmp_path)
    assert changes.changed("old", NOW, tmp_path) == [
        "realgap.a.g changed",
        "realgap.c.k is new",
        "realgap.b.h is gone",
    ]
    assert changes.changed("unknown", NOW, tmp_path) is None


def test_rules_with_the_same_change_share_a_line(tmp_path):
    changes.keep("old", BEFORE, tmp_path)
    now = {**BEFORE, "realgap.a.f": "9"}
    said = changes.lines([(rule, ["old", "weights"], now) for rule in ("encode", "invert", "train", "tune")], tmp_path)
    assert said == ["encode, invert, train and 1 more run again: realgap.a.f changed"]
    assert changes.lines([("encode", ["old"], now), ("invert", ["old"], now)], tmp_path) == [
        "encode and invert run again: realgap.a.f changed"
    ]
    assert changes.lines([("encode", ["old"], now), ("invert", ["old"], NOW)], tmp_path) == [
        "encode runs again: realgap.a.f changed",
        "invert runs again: realgap.a.g changed, realgap.c.k is new, realgap.b.h is gone",
    ]


def test_there_are_few_lines_and_few_names(tmp_path):
    changes.keep("old", {}, tmp_path)
    steps = [(f"rule_{n}", ["old"], {f"realgap.m{n}.f{k}": "1" for k in range(10)}) for n in range(20)]
    said = changes.lines(steps, tmp_path)
    assert len(said) == changes.LINES + 1
    assert said[0] == "rule_0 runs again: realgap.m0.f0 is new, realgap.m0.f1 is new, realgap.m0.f2 is new and 7 more"
    assert said[-1] == "and 14 more such lines"


def test_without_a_record_it_says_that_the_code_is_another(tmp_path):
    (tmp_path / "odd.json").write_text("[")
    for digest in ("never seen", "odd"):
        assert changes.lines([("invert", [digest], NOW)], tmp_path) == [
            "invert runs again: its code is not that of the last run"
        ]


def test_a_damaged_record_is_written_again_and_old_ones_go(tmp_path, monkeypatch):
    (tmp_path / "old.json").write_text("{")
    changes.keep("old", BEFORE, tmp_path)
    assert changes.changed("old", BEFORE, tmp_path) == []
    monkeypatch.setattr(changes, "KEPT", 2)
    for number, name in enumerate(("one", "two", "old")):
        changes.keep(name, BEFORE, tmp_path)
        os.utime(tmp_path / f"{name}.json", (number, number))
    changes.prune(tmp_path)
    assert {path.stem for path in tmp_path.glob("*.json")} == {"two", "old"}


def test_a_place_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    changes.keep("old", BEFORE, tmp_path / "file")
    changes.prune(tmp_path / "file")
