import numpy as np
import pytest

from realgap.analyses.fidelity import distances
from realgap.analyses.fidelity.contrasts import contrasts
from realgap.analyses.fidelity.measures import Images, measure
from realgap.statistics.exchange import memberships


def sets(seed, sizes=(60, 50, 50), width=6, spread=1.0):
    """Features of a reference, of a set that is `spread` times as wide, and of its control."""
    rng = np.random.default_rng(seed)
    reference, own, control = (np.maximum(rng.normal(size=(n, width)), -1) for n in sizes)
    return reference, spread * own, control


@pytest.mark.parametrize("width", [6, 70])  # fewer features than images, and more
def test_differences_are_those_of_the_metrics_themselves(width):
    reference, own, control = sets(0, width=width)
    found = contrasts(reference, own, control, "net", seed=0, k=3, permutations=19)
    images = {name: Images(x, np.zeros(len(x), int)) for name, x in (("own", own), ("control", control))}
    rows = measure(Images(reference, np.zeros(60, int)), images, "control", "net", seed=0, k=3, resamples=39)
    values = {(row.source, row.metric): row.value for row in rows if row.label == "all"}
    assert len(found) == 7
    for metric, one in found.items():
        expected = values["own", metric] - values["control", metric]
        assert one.value == pytest.approx(expected, rel=1e-5, abs=1e-9), metric


def test_distances_of_sets_of_their_own_size_are_right_too():
    reference, own, control = sets(1, sizes=(60, 40, 20))
    found = contrasts(reference, own, control, "net", seed=0, permutations=19)["fd_net"].value
    moments = [distances.Moments.of(x) for x in (reference, own, control)]
    expected = distances.frechet_distance(*moments[:2]) - distances.frechet_distance(moments[0], moments[2])
    assert found == pytest.approx(expected, rel=1e-6)


def test_sets_of_one_distribution_are_told_apart_one_time_in_twenty():
    told = [
        [one.p_value <= 0.05 for one in contrasts(*sets(seed), "net", 0, permutations=39).values()]
        for seed in range(250)
    ]
    shares = np.mean(told, axis=0)
    assert (shares <= 0.05 + 0.04).all(), shares
    assert shares.mean() > 0.02, shares


def test_a_narrow_set_covers_less_and_a_wide_one_is_farther():
    narrow = contrasts(*sets(2, spread=0.1), "net", seed=0)
    assert narrow["coverage"].high < 0
    assert narrow["recall"].high < 0
    wide = contrasts(*sets(2, spread=2.0), "net", seed=0)
    assert wide["kd_net"].low > 0
    assert wide["fd_net"].low > 0
    assert wide["precision"].high < 0


def test_near_copies_of_the_control_are_told_from_it_as_pairs():
    """Each image of the set is its control's, moved a little away from the reference: pooling sees nothing of it."""
    reference, _, control = sets(3, sizes=(60, 80, 80))
    nearest = reference[distances.nearest(control, reference)[1]]
    own = control + 0.05 * (control - nearest)
    pairs, pooled = (contrasts(reference, own, control, "net", 0, paired=paired) for paired in (True, False))
    assert pairs["nearest_distance"].low > 0
    assert pooled["nearest_distance"].low < 0 < pooled["nearest_distance"].high


def test_the_chance_is_drawn_from_the_seed_alone():
    one, same, other = (contrasts(*sets(4), "net", seed=seed, permutations=39) for seed in (0, 0, 1))
    assert one == same
    assert one["coverage"] != other["coverage"]
    assert (memberships(5, 4, 0, 19) != memberships(5, 4, 1, 19)).any()


def test_more_neighbours_than_images_are_refused():
    with pytest.raises(ValueError, match="k: must be at least 1 and below the number of reference images, 60, got 60"):
        contrasts(*sets(5), "net", 0, k=60)
