"""realgap.code.remembered: the same code is read once, other code anew, and what is kept cannot be wrong for long."""

import json

import pytest

from realgap.code import version
from realgap.code.remembered import KEPT, Remembered, folder

STEP = "scripts.step"


@pytest.fixture
def write(tmp_path):
    """write(number) makes a tree whose step reaches a constant of this value."""

    def made(number, name="code"):
        root = tmp_path / name
        for package in version.PACKAGES:
            (root / package).mkdir(parents=True, exist_ok=True)
            (root / package / "__init__.py").touch()
        (root / "realgap/known.py").write_text(f"NUMBER = {number}\nTABLE = {{'a': 1, 'b': 2}}\n")
        (root / "scripts/step.py").write_text(
            "import sys\n\nfrom realgap import known\n\n\ndef main():\n"
            "    print(known.NUMBER, known.TABLE[sys.argv[1]])\n"
            "\n\nif __name__ == '__main__':\n    main()\n"
        )
        return version.Tree(root)

    return made


class Counted(version.Tree):
    asked = 0

    def definitions(self, *given):
        self.asked += 1
        return super().definitions(*given)


def test_the_same_code_elsewhere_is_not_read_again(write, tmp_path):
    first = Remembered(write(1), tmp_path / "state").definitions(STEP)
    assert first == write(1).definitions(STEP) != {}
    write(1, "another place")
    other = Counted(tmp_path / "another place")
    assert Remembered(other, tmp_path / "state").definitions(STEP) == first
    assert other.asked == 0


def test_other_code_and_other_keys_have_other_definitions(write, tmp_path):
    state = tmp_path / "state"
    one = Remembered(write(1), state).definitions(STEP)
    keyed = Remembered(write(1), state).definitions(STEP, {"realgap.known.TABLE": "a"})
    other = Remembered(write(2), state).definitions(STEP)
    assert keyed == write(1).definitions(STEP, {"realgap.known.TABLE": "a"}) != one
    assert other == write(2).definitions(STEP) != one
    assert Remembered(write(1), state).definitions(STEP) == one


@pytest.mark.parametrize("damaged", ["", "{", "[1]", "\0"])
def test_what_cannot_be_read_is_worked_out_again(write, tmp_path, damaged):
    state = tmp_path / "state"
    expected = Remembered(write(1), state).definitions(STEP)
    (kept,) = state.rglob("*.json")
    kept.write_text(damaged)
    assert Remembered(write(1), state).definitions(STEP) == expected
    assert json.loads(kept.read_text()) == expected


def test_without_a_place_to_keep_it_is_worked_out(write, tmp_path):
    (tmp_path / "file").touch()
    assert Remembered(write(1), tmp_path / "file" / "state").definitions(STEP) == write(1).definitions(STEP)


def test_a_user_without_a_home_has_no_place_and_it_is_worked_out(write, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as for a number that is nobody's
    assert folder() is None
    assert Remembered(write(1), None).definitions(STEP) == write(1).definitions(STEP)


def test_a_step_that_is_not_there_is_named_and_not_remembered(write, tmp_path):
    for _ in range(2):
        with pytest.raises(ValueError, match="scripts.other: must be a module"):
            Remembered(write(1), tmp_path / "state").definitions("scripts.other")


def test_old_states_go(write, tmp_path):
    for number in range(KEPT + 5):
        Remembered(write(number), tmp_path / "state").definitions(STEP)
    assert len(list((tmp_path / "state").iterdir())) == KEPT
