"""realgap.selection.choosing: one of each slot is kept, by ranks, whichever shards and rows it lies in."""

import itertools

import numpy as np
import pytest

from realgap import streams
from realgap.selection import choosing

IDS = np.repeat(np.array([40, 7, 23, 11], np.int64), 6)
VARIANTS = np.tile(np.arange(6, dtype=np.int32), 4)


def scores(seed=0, n=24):
    return np.random.default_rng(seed).normal(size=n)


def choose(given, weights, seed=0, rows=None, order=slice(None), features=None, candidates=3):
    """(image, variant) of what is kept."""
    ids, variants = IDS[order], VARIANTS[order]
    slots = choosing.slots(ids, variants, candidates)
    given = {name: values[order] for name, values in given.items()}
    own = None if features is None else features[order]
    kept = choosing.choose(slots, ids, variants, given, weights, seed, own)
    return list(zip(ids[kept].tolist(), variants[kept].tolist(), strict=True))


def test_a_slot_is_so_many_variants_of_an_image_one_after_another():
    slots = choosing.slots(IDS, VARIANTS, 3)
    assert [(set(IDS[slot]), VARIANTS[slot].tolist()) for slot in slots[:3]] == [
        ({7}, [0, 1, 2]),
        ({7}, [3, 4, 5]),
        ({11}, [0, 1, 2]),
    ]
    with pytest.raises(ValueError, match="candidates: must divide the images of each real one; got 4 for image 7"):
        choosing.slots(IDS, VARIANTS, 4)


def test_of_one_criterion_the_best_of_each_slot_is_kept():
    values = scores()
    best = {}
    for row, key in enumerate(zip(IDS.tolist(), (VARIANTS // 3).tolist(), strict=True)):
        best[key] = row if key not in best or values[row] > values[best[key]] else best[key]
    expected = sorted((int(IDS[row]), int(VARIANTS[row])) for row in best.values())
    assert sorted(choose({"utility": values}, {"utility": 2.0})) == expected


def test_criteria_are_summed_as_ranks_so_that_units_do_not_count():
    first, second = scores(1), scores(2)
    weights = {"utility": 1.0, "typicality": 2.5}
    kept = choose({"utility": first, "typicality": second}, weights)
    assert choose({"utility": np.exp(3 * first), "typicality": 1e6 * second - 5}, weights) == kept
    for slot in choosing.slots(IDS, VARIANTS, 3):
        total = {}
        for row in slot:
            ranks = [1 + sum(values[row] > values[other] for other in slot) for values in (first, second)]
            total[IDS[row], VARIANTS[row]] = ranks[0] + 2.5 * ranks[1]
        (own,) = [key for key in kept if key in total]
        assert total[own] == max(total.values())


def test_the_order_of_rows_does_not_matter_nor_do_other_images():
    given = {"utility": np.round(scores(), 0), "typicality": scores(3)}  # with ties
    weights = {"utility": 1.0, "typicality": 0.1}
    whole = choose(given, weights)
    turned = np.random.default_rng(5).permutation(24)
    assert sorted(choose(given, weights, order=turned)) == sorted(whole)
    part = np.flatnonzero(IDS != 23)
    assert sorted(choose(given, weights, order=part)) == sorted(key for key in whole if key[0] != 23)


def test_what_is_refused_is_kept_only_where_all_candidates_are():
    values = scores()
    values[(VARIANTS % 3) < 2] = -np.inf
    kept = choose({"utility": values, "typicality": -values}, {"utility": 1.0, "typicality": 100.0})
    assert all(variant % 3 == 2 for _, variant in kept)
    values[IDS == 7] = -np.inf
    assert sum(image == 7 for image, _ in choose({"utility": values}, {"utility": 1.0})) == 2


def test_a_random_choice_takes_each_candidate_equally_often_and_follows_the_seed():
    zeros = {"random": np.zeros(24)}
    counts = np.zeros(3)
    for seed in range(300):
        for _, variant in choose(zeros, {"random": 1.0}, seed=seed):
            counts[variant % 3] += 1
    assert np.abs(counts / counts.sum() - 1 / 3).max() < 0.04
    assert choose(zeros, {"random": 1.0}, seed=1) == choose(zeros, {"random": 1.0}, seed=1)


def test_coverage_takes_the_candidate_farthest_from_what_is_chosen_already():
    features = np.random.default_rng(8).normal(size=(24, 3)).astype(np.float32)
    kept = choose({}, {"coverage": 1.0}, features=features)
    slots = {
        tuple(zip(IDS[slot].tolist(), VARIANTS[slot].tolist(), strict=True)): slot
        for slot in choosing.slots(IDS, VARIANTS, 3)
    }
    at = {key: row for row, key in enumerate(zip(IDS.tolist(), VARIANTS.tolist(), strict=True))}
    rank = dict(zip(np.unique(IDS).tolist(), streams.ranks(0, "slot", np.unique(IDS)).tolist(), strict=True))
    chosen = []
    for keys in sorted(slots, key=lambda keys: (rank[keys[0][0]], keys[0][1])):
        (own,) = [key for key in kept if key in keys]
        if chosen:
            gaps = {key: min(np.linalg.norm(features[at[key]] - features[one]) for one in chosen) for key in keys}
            assert gaps[own] == max(gaps.values())
        chosen.append(at[own])
    spread = {
        name: np.mean([np.linalg.norm(features[at[a]] - features[at[b]]) for a, b in itertools.combinations(rows, 2)])
        for name, rows in {"chosen": kept, "random": choose({"random": np.zeros(24)}, {"random": 1.0})}.items()
    }
    assert spread["chosen"] > spread["random"]


def test_shuffled_scores_are_the_same_scores_of_other_candidates():
    given = {"utility": scores(), "typicality": scores(4)}
    mixed = choosing.shuffled(given, seed=3)
    order = [int(np.flatnonzero(given["utility"] == value)[0]) for value in mixed["utility"]]
    assert sorted(order) == list(range(24))
    assert order != list(range(24))
    np.testing.assert_array_equal(mixed["typicality"], given["typicality"][order])
    assert choosing.shuffled({}, seed=3) == {}


def test_where_real_images_are_chosen_among_a_slot_has_different_ones_whatever_their_order():
    ids = np.array([40, 7, 23, 11, 3], np.int64)
    rows = choosing.drawn_again(ids, 4, 3, seed=0)
    assert rows.shape == (20, 3)
    assert all(len(set(slot)) == 3 for slot in rows.tolist())
    assert set(rows.ravel().tolist()) == set(range(5))
    other = choosing.drawn_again(ids[::-1], 4, 3, seed=0)
    np.testing.assert_array_equal(ids[rows], ids[::-1][other])
    assert not np.array_equal(rows, choosing.drawn_again(ids, 4, 3, seed=1))
    with pytest.raises(ValueError, match="candidates: must be at most the real images of a class, 5; got 6"):
        choosing.drawn_again(ids, 4, 6, seed=0)


def test_among_real_images_the_better_scored_are_there_more_often_and_the_worst_never():
    ids = np.arange(10)
    rows, variants = choosing.drawn_again(ids, 20, 4, seed=0), np.zeros(10, np.int32)
    chosen = choosing.choose(rows, ids, variants, {"utility": ids.astype(float)}, {"utility": 1.0}, 0)
    often = np.bincount(chosen, minlength=10)
    # the best of four of ten: the largest number is drawn with chance 4 in 10, and the three least are never the best
    assert often[9] == pytest.approx(80, abs=20)
    assert (often[:3] == 0).all()
    picked = choosing.choose(rows, ids, variants, {"random": np.zeros(10)}, {"random": 1.0}, 0)
    assert np.bincount(picked, minlength=10).min() > 0


def test_each_occurrence_has_a_number_of_its_own():
    assert choosing.occurrences(np.array([5, 3, 5, 5, 3, 8])).tolist() == [0, 0, 1, 2, 1, 0]
