import numpy as np
import pytest
import torch
from torch import nn

from realgap.analyses.saliency.focus import STRATA, compare, focus, pick_images, share_empty
from realgap.analyses.saliency.grad_cam import attend


def bump(width, n=1, cells=8, centre=(0.5, 0.5)):
    """Gaussian maps (n, cells, cells) of that width in image sides."""
    place = (np.arange(cells) + 0.5) / cells
    rows, columns = (np.exp(-((place - c) ** 2) / (2 * width**2)) for c in centre)
    return np.repeat(np.outer(rows, columns)[None], n, axis=0)


def studies(seed, widths, error_rates, n_seeds=4, n_images=300, wrong_factor=1.0):
    """A metric of the maps and correctness per training set: width + image + noise, narrower where wrong."""
    rng = np.random.default_rng(seed)
    image = 0.1 * rng.normal(size=n_images)
    values, correct = {}, {}
    for name, width in widths.items():
        correct[name] = rng.random((n_seeds, n_images)) > error_rates[name]
        level = np.where(correct[name], width, width * wrong_factor)
        values[name] = level + image + 0.05 * rng.normal(size=(n_seeds, n_images))
    return values, correct


def verdicts(values, correct, metric="effective_area", **options):
    return {(row.training_set, row.stratum): row for row in compare(metric, values, correct, **options)}


def told(row):
    """The sign of a difference whose interval excludes zero, else 0."""
    return 0 if row.low <= 0 <= row.high else np.sign(row.difference)


def test_numbers_of_a_flat_map():
    numbers = focus(np.full((2, 8, 8), 3.0))
    assert {name: float(value[0]) for name, value in numbers.items()} == pytest.approx(
        {
            "effective_area": 1,
            "gini": 0,
            "half_maximum_area": 1,
            "spread": np.sqrt(2 * 63 / 12) / 8,
            "centre_weight": 1 / 4,
        }
    )


def test_numbers_of_a_single_cell():
    maps = np.zeros((1, 4, 4))
    maps[0, 1, 2] = 7.0
    assert {name: float(value[0]) for name, value in focus(maps).items()} == pytest.approx(
        {
            "effective_area": 1 / 16,
            "gini": 15 / 16,
            "half_maximum_area": 1 / 16,
            "spread": 0,
            "centre_weight": 1,
        }
    )


def test_effective_area_of_equal_cells_is_their_share():
    maps = np.zeros((1, 4, 4))
    maps[0, :2, :3] = 0.2
    numbers = focus(maps)
    assert numbers["effective_area"] == pytest.approx(6 / 16)
    assert numbers["half_maximum_area"] == pytest.approx(6 / 16)
    assert numbers["gini"] == pytest.approx(10 / 16)


def test_half_maximum_area_counts_what_is_above_half_and_nothing_below():
    maps = np.array([[[1.0, 0.51], [0.49, 0.35]]])
    assert focus(maps)["half_maximum_area"] == pytest.approx(2 / 4)


def test_gini_is_the_mean_absolute_difference():
    flat = np.random.default_rng(0).random(64)
    expected = np.abs(flat[:, None] - flat).mean() / (2 * flat.mean())
    assert focus(flat.reshape(1, 8, 8))["gini"] == pytest.approx(expected)


def test_spread_is_in_image_sides_and_does_not_depend_on_place():
    here, there = (focus(bump(0.05, cells=64, centre=centre))["spread"] for centre in ((0.5, 0.5), (0.3, 0.7)))
    assert here == pytest.approx(0.05 * np.sqrt(2), rel=0.01)
    assert there == pytest.approx(here, rel=1e-3)


def test_centre_weight_splits_cells_that_straddle_the_border():
    assert focus(np.ones((1, 5, 7)))["centre_weight"] == pytest.approx(0.25)
    corner, middle = bump(0.1, centre=(0.1, 0.1)), bump(0.1)
    assert focus(corner)["centre_weight"] < 0.1 < 0.9 < focus(middle)["centre_weight"]


def test_numbers_do_not_depend_on_the_level_of_a_map():
    maps = np.random.default_rng(0).random((3, 8, 8))
    for name, value in focus(maps).items():
        np.testing.assert_allclose(focus(1e-6 * maps)[name], value, err_msg=name)


def test_a_wider_bump_has_a_wider_focus_in_every_number():
    narrow, wide = focus(bump(0.1)), focus(bump(0.3))
    for name in ("effective_area", "half_maximum_area", "spread"):
        assert narrow[name] < wide[name], name
    for name in ("gini", "centre_weight"):
        assert narrow[name] > wide[name], name


def test_an_empty_map_has_no_focus_and_is_counted():
    maps = np.concatenate([np.zeros((1, 4, 4)), bump(0.2, n=3, cells=4)])
    assert share_empty(maps) == 0.25
    for name, value in focus(maps).items():
        assert np.isnan(value).tolist() == [True, False, False, False], name


def test_negative_maps_are_refused():
    with pytest.raises(ValueError, match="maps: must be .* >= 0"):
        focus(np.full((1, 2, 2), -1.0))


class Looker(nn.Module):
    """Tells bright from dark by the mean of the listed cells of an 8x8 grid, and by no other."""

    def __init__(self, cells):
        super().__init__()
        self.pool = nn.AvgPool2d(4)
        self.pick = nn.Conv2d(3, 1, 1, bias=False)  # the layer that is explained
        nn.init.constant_(self.pick.weight, 1 / 3)
        self.register_buffer("cells", cells)

    def forward(self, pixel_values):
        seen = self.pick(self.pool(pixel_values) * self.cells).relu()
        bright = seen.mean(dim=(1, 2, 3))
        return torch.stack([bright, -bright], dim=1)


def test_a_classifier_that_looks_at_a_patch_is_narrower_than_one_that_looks_everywhere():
    everywhere, patch = torch.ones(8, 8), torch.zeros(8, 8)
    patch[3:5, 3:5] = 1
    pixel_values = torch.rand(20, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(20, dtype=torch.int64)
    numbers = [
        focus(attend(Looker(cells).eval(), pixel_values, labels, "pick").true_maps) for cells in (patch, everywhere)
    ]
    assert numbers[0]["effective_area"].max() < 0.07 < 0.8 < numbers[1]["effective_area"].min()
    for name in ("half_maximum_area", "spread"):
        assert numbers[0][name].max() < numbers[1][name].min(), name
    for name in ("gini", "centre_weight"):
        assert numbers[0][name].min() > numbers[1][name].max(), name

    values = {"planted": numbers[0]["effective_area"][None], "real": numbers[1]["effective_area"][None]}
    values = {name: np.repeat(value, 3, axis=0) for name, value in values.items()}
    correct = {name: np.ones_like(value, dtype=bool) for name, value in values.items()}
    row = verdicts(values, correct)["planted", "both_right"]
    assert told(row) == -1


def test_error_rate_alone_cannot_produce_a_narrower_verdict():
    # the same focus on right images and the same, narrower one on wrong images; only the error rates differ
    claims = 0
    for seed in range(40):
        values, correct = studies(
            seed,
            {"real": 0.67, "generated": 0.67},
            {"real": 0.05, "generated": 0.5},
            wrong_factor=0.55 / 0.67,
        )
        rows = verdicts(values, correct)
        assert told(rows["generated", "all"]) == -1
        claims += told(rows["generated", "both_right"]) != 0
    assert claims <= 5  # 5 % false alarms expected of a 95 % interval, 2 of 40


def test_a_true_narrowing_is_found_behind_any_error_rate():
    for seed in range(10):
        values, correct = studies(seed, {"real": 0.67, "generated": 0.59}, {"real": 0.05, "generated": 0.5})
        row = verdicts(values, correct)["generated", "both_right"]
        assert row.difference == pytest.approx(-0.08, abs=0.015)
        assert row.high < 0
        assert row.p_value < 0.05


def test_strata_are_the_images_they_name():
    right = {
        "real": np.array([[1, 1, 0, 0, 1], [1, 1, 1, 0, 0]], bool),
        "generated": np.array([[1, 0, 0, 1, 1], [0, 1, 1, 0, 1]], bool),
    }
    values = {name: np.random.default_rng(i).random((2, 5)) for i, name in enumerate(right)}
    rows = verdicts(values, right)
    assert [row.stratum for row in compare("gini", values, right)] == list(STRATA)

    def expected(own, of_reference):
        pairs = zip(values["generated"], values["real"], own, of_reference, strict=True)
        return np.mean([first[i].mean() - second[j].mean() for first, second, i, j in pairs])

    both = [[0, 4], [1, 2]]
    assert rows["generated", "both_right"].difference == pytest.approx(expected(both, both))
    assert rows["generated", "both_right"].n_images == 2
    own = expected([[0, 3, 4], [1, 2, 4]], [[0, 1, 4], [0, 1, 2]])
    assert rows["generated", "own_right"].difference == pytest.approx(own)
    wrong = expected([[1, 2], [0, 3]], [[2, 3], [3, 4]])
    assert rows["generated", "own_wrong"].difference == pytest.approx(wrong)
    assert np.isnan(rows["generated", "every_right"].difference)
    assert np.isnan(rows["generated", "every_right"].p_value)


def test_an_empty_map_leaves_both_sides_of_a_pair():
    values = {"real": np.array([[0.2, 0.9]] * 2), "generated": np.array([[0.1, np.nan]] * 2)}
    correct = {name: np.ones((2, 2), bool) for name in values}
    row = verdicts(values, correct)["generated", "both_right"]
    assert row.difference == pytest.approx(-0.1)
    assert row.n_images == 1


def test_one_seed_decides_nothing():
    values, correct = studies(0, {"real": 0.9, "generated": 0.1}, {"real": 0, "generated": 0}, n_seeds=1)
    row = verdicts(values, correct)["generated", "both_right"]
    assert row.difference < 0
    assert np.isnan([row.low, row.high, row.p_value]).all()


def test_wrong_arguments_are_named():
    values, correct = studies(0, {"real": 0.5, "generated": 0.1}, {"real": 0, "generated": 0})
    with pytest.raises(ValueError, match="metric: must be one of effective_area"):
        compare("area", values, correct)
    with pytest.raises(ValueError, match="reference: must be one of the training sets real, generated, got 'vae'"):
        compare("gini", values, correct, "vae")
    with pytest.raises(ValueError, match=r"values, correct: must all be \(seeds, images\) of one shape"):
        compare("gini", values, {"real": correct["real"]})


def test_panels_show_the_least_the_median_and_the_most_different():
    differences = np.array([0.5, -0.1, 0.0, np.nan, -0.9, 0.3, 0.2])
    assert {name: list(rows) for name, rows in pick_images(differences, 1).items()} == {
        "least": [2],
        "median": [6],
        "most": [4],
    }
    with pytest.raises(ValueError, match="count: must be 1 to 2"):
        pick_images(differences, 3)
