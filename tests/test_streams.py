"""realgap.streams: one random stream per item, the same on every machine."""

import itertools

import numpy as np
import pytest

from realgap.streams import normal, ranks, stream

NAMES = [(0, "mix"), (1, "mix"), (0, "latents"), (0, "mix", 1), (0, "mix", 1, 0), (0, "mix", 0, 1), (0, "mix", "a")]


def test_the_same_name_gives_the_same_numbers():
    for name in NAMES:
        np.testing.assert_array_equal(stream(*name).random(50), stream(*name).random(50))


def test_different_names_give_different_numbers():
    drawn = np.stack([stream(*name).random(50) for name in NAMES])
    for one, other in itertools.combinations(drawn, 2):
        assert not np.isin(one, other).any()
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.6  # 4 standard errors of 50 draws


def test_numpy_integers_name_the_same_stream_as_plain_ones():
    for kind in (np.int32, np.int64, np.uint8):
        assert stream(kind(3), "mix", kind(7)).random() == stream(3, "mix", 7).random()


def test_the_numbers_are_those_that_results_were_made_with():
    assert stream(0, "mix", 3, 1).bit_generator.random_raw(2).tolist() == [192097002958351445, 2051411942763294617]
    assert ranks(0, "subset", [5]).tolist() == [16835303619286867764]


def test_streams_of_neighbouring_items_are_independent_standard_normals():
    values = normal((stream(0, "latents", i) for i in range(400)), (100,))
    assert values.dtype == np.float32
    assert values.mean() == pytest.approx(0, abs=0.02)
    assert values.std() == pytest.approx(1, abs=0.02)
    correlations = np.corrcoef(values)[np.triu_indices(400, 1)]
    assert correlations.std() == pytest.approx(0.1, abs=0.005)  # 1 / sqrt(100) when independent


def test_a_row_of_normals_ignores_the_other_rows():
    alone = normal([stream(0, "latents", 7)], (2, 3))
    among = normal((stream(0, "latents", i) for i in (1, 7, 9)), (2, 3))
    np.testing.assert_array_equal(among[1], alone[0])


def test_the_order_of_two_items_ignores_all_others():
    everyone = ranks(0, "subset", range(100))
    np.testing.assert_array_equal(ranks(0, "subset", [40, 7]), everyone[[40, 7]])


def test_ranks_shuffle_fairly_and_by_the_seed():
    first = np.array([np.argmin(ranks(seed, "subset", range(5))) for seed in range(1000)])
    counts = np.bincount(first, minlength=5)
    assert abs(counts - 200).max() < 4 * (1000 * 0.2 * 0.8) ** 0.5
