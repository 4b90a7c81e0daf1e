"""The ledger: every release counts once, in whichever study, and what goes beyond the budget is refused."""

from concurrent import futures
from dataclasses import replace

import pytest

from realgap.privacy import accounting, ledger

DELTA = 1e-5
BUDGET = ledger.Ledger(epsilon=4.0, delta=DELTA, neighbours="replace_one", images=("digits",))


def release(plan="a", epsilon=1.0, content="x", **more):
    said = {"study": "first", "source": f"private_{plan}", **more}
    return ledger.Release(plan=plan, content=content, multiplier=accounting.multiplier(epsilon, DELTA), **said)


def entered(folder, *releases, budget=BUDGET):
    for one in releases:
        ledger.enter(folder, budget, one)
    return ledger.read(ledger.found(folder, budget.images))


def test_nothing_released_is_no_ledger_and_nothing_spent(tmp_path):
    assert ledger.read(tmp_path / "none.json") is None
    assert not ledger.found(tmp_path / "none", ["digits"]).exists()
    assert BUDGET.spent() == 0


def test_a_second_study_extends_what_the_first_one_spent(tmp_path):
    assert entered(tmp_path / "privacy", release("a", 1.0)).spent() == pytest.approx(1.0)
    second = entered(tmp_path / "privacy", release("b", 3.0, study="second"))
    assert 3 < second.spent() < 4
    assert [one.study for one in second.releases] == ["first", "second"]
    assert len(list((tmp_path / "privacy").glob("*.json"))) == 1


def test_the_same_release_made_again_counts_once_and_changed_images_count_anew(tmp_path):
    once = entered(tmp_path, release("a", 3.0))
    assert entered(tmp_path, release("a", 3.0, study="second")) == once
    with pytest.raises(ValueError, match="must not be released"):
        ledger.enter(tmp_path, BUDGET, release("a", 3.0, content="y"))
    assert entered(tmp_path) == once


def test_before_any_job_a_plan_that_is_known_costs_nothing_and_a_new_one_is_refused_in_one_line(tmp_path):
    entered(tmp_path, release("a", 3.0))
    planned = release("a", 3.0, content="")
    assert ledger.with_planned(tmp_path, BUDGET, [planned, planned]).spent() == pytest.approx(3.0)
    with pytest.raises(ValueError, match="^config: privacy.epsilon: private_b, private_c must not be") as error:
        ledger.with_planned(tmp_path, BUDGET, [release("b", 3.0, content=""), release("c", 1.0, content=""), planned])
    assert "of 4 at delta 1e-05 3 is spent (by first), and with them it would be 4." in str(error.value)
    assert "\n" not in str(error.value)


def test_a_budget_of_exactly_what_is_planned_will_do(tmp_path):
    ledger.with_planned(tmp_path, replace(BUDGET, epsilon=3.0), [release("a", 3.0, content="")])


@pytest.mark.parametrize(("key", "value"), [("epsilon", 8.0), ("delta", 1e-3), ("neighbours", "add_remove")])
def test_another_budget_than_the_ledgers_is_refused(tmp_path, key, value):
    entered(tmp_path, release())
    with pytest.raises(ValueError, match=f"^config: privacy.{key}: must be {getattr(BUDGET, key)}, as the ledger"):
        ledger.with_planned(tmp_path, replace(BUDGET, **{key: value}), [])


def test_a_study_that_shares_one_image_extends_the_ledger_and_one_of_other_images_has_its_own(tmp_path):
    first, more, other = (replace(BUDGET, images=images) for images in (("a", "b"), ("b", "c"), ("x",)))
    entered(tmp_path, release("a"), budget=first)
    both = entered(tmp_path, release("b"), budget=more)
    assert (len(both.releases), both.images) == (2, ("a", "b", "c"))
    assert ledger.found(tmp_path, ["c"]) == ledger.found(tmp_path, ["a"])
    assert len(entered(tmp_path, release("a"), budget=other).releases) == 1
    with pytest.raises(ValueError, match="must be the only ledger of the study's images, some are in"):
        ledger.found(tmp_path, ["a", "x"])


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"epsilon": 1, "releases": [3]}', '{"releases": []}'])
def test_a_damaged_ledger_is_never_taken_for_an_empty_one(tmp_path, content):
    (tmp_path / "data.json").write_text(content)
    with pytest.raises(ValueError, match="must be a ledger of releases, is not .* take it from a copy"):
        ledger.enter(tmp_path, BUDGET, release())


def test_of_jobs_that_release_at_once_none_is_forgotten(tmp_path):
    many, budget = 6, replace(BUDGET, epsilon=100.0)
    with futures.ProcessPoolExecutor(2) as pool:
        list(pool.map(ledger.enter, [tmp_path] * many, [budget] * many, [release(str(n)) for n in range(many)]))
    assert len(entered(tmp_path, budget=budget).releases) == many
