"""realgap.classifier.training: the same steps for every training set, the same bits for every seed."""

import itertools
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from realgap.classifier import families, networks, storage, training
from realgap.store import shards
from tests import given

CPU = torch.device("cpu")
SETTINGS = {
    "steps": 30,
    "batch_size": 16,
    "lr": 0.05,
    "warmup": 0.2,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "label_smoothing": 0.0,
    "crop_padding": 1,
    "horizontal_flip": False,
    "seed": 0,
    "device": CPU,
    "dtype": torch.float32,
}


def tiny():
    """A classifier small enough to train in moments, of the kinds of layers that a ResNet has."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 3),
    )


def easy(n, seed=0, size=8):
    """Images whose class is the channel that is bright, under noise."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, n)
    images = random.integers(0, 100, (n, size, size, 3))
    images[np.arange(n), :, :, labels] += 100
    return images.astype(np.uint8), labels


def trained(parts=None, shares=(1.0,), **changes):
    settings = {**SETTINGS, **changes}
    model = networks.initialise(tiny(), settings["seed"])
    losses = list(given.train(model, parts or [easy(60)], shares, **settings))
    return model, losses


def predict(model, images, dtype=torch.float32, batch_size=32):
    return training.predict(model, images, batch_size=batch_size, device=CPU, dtype=dtype)


# --- the network ------------------------------------------------------------------------------------------------


def test_small_images_get_the_cifar_stem_and_large_ones_the_original():
    small, large = (networks.build("resnet18", 10, size) for size in (16, 96))
    assert (small.conv1.kernel_size, small.conv1.stride, type(small.maxpool)) == ((3, 3), (1, 1), nn.Identity)
    assert (large.conv1.kernel_size, large.conv1.stride, type(large.maxpool)) == ((7, 7), (2, 2), nn.MaxPool2d)
    assert small.fc.out_features == 10
    assert small(torch.zeros(2, 3, 16, 16)).shape == (2, 10)
    assert small.conv1(torch.zeros(1, 3, 16, 16)).shape[-2:] == (16, 16)


def test_other_architectures_are_those_of_torchvision_and_unknown_ones_are_refused():
    assert type(networks.build("shufflenet_v2_x0_5", 7, 32)).__name__ == "ShuffleNetV2"
    expected = r"^classifier\.architecture: must be resnet20 or a torchvision classifier, got 'resnet19'"
    with pytest.raises(ValueError, match=expected):
        networks.build("resnet19", 10, 16)


@pytest.mark.parametrize("architecture", ["resnet18", "shufflenet_v2_x0_5"])
def test_initial_weights_depend_on_the_seed_alone_and_leave_the_global_generator_as_it_was(architecture):
    torch.manual_seed(5)
    models = [networks.build(architecture, 10, 16) for _ in range(3)]
    before = torch.get_rng_state()
    one, same, other = (networks.initialise(m, seed).state_dict() for m, seed in zip(models, (0, 0, 1), strict=True))
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(one, same, rtol=0, atol=0)
    learned = [name for name in one if name.endswith("weight") and one[name].ndim > 1]
    assert all(not torch.equal(one[name], other[name]) for name in learned)


def test_initial_weights_have_the_spread_of_torchvisions():
    ours = networks.initialise(networks.build("resnet18", 10, 128), 0).state_dict()
    theirs = networks.build("resnet18", 10, 128).state_dict()
    for name, tensor in theirs.items():
        if tensor.ndim > 1:
            assert ours[name].std() == pytest.approx(tensor.std().item(), rel=0.1)
        else:
            torch.testing.assert_close(ours[name].float(), tensor.float(), rtol=0, atol=0.1)


# --- training ---------------------------------------------------------------------------------------------------


def test_easy_data_are_learned_to_100_percent():
    model, losses = trained(steps=120)
    images, labels = easy(300, seed=1)
    assert (predict(model, images).argmax(1) == labels).all()
    assert torch.stack(losses[-10:]).mean() < 0.1 * losses[0]


@pytest.mark.long
def test_resnet18_learns_easy_data_in_either_precision():
    images, labels = easy(90, size=16)
    model = networks.initialise(networks.build("resnet18", 3, 16), 0)
    settings = {**SETTINGS, "steps": 12, "dtype": torch.bfloat16}
    losses = list(given.train(model, [(images, labels)], [1.0], **settings))
    assert all(loss.dtype == torch.float32 for loss in losses)
    assert losses[-1] < losses[0]
    logits = predict(model, images, torch.bfloat16)
    assert (logits.dtype, logits.shape) == (np.float32, (90, 3))
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_a_seed_gives_the_same_bits_and_another_seed_others():
    (one, losses), (same, same_losses), (other, _) = trained(), trained(), trained(seed=1)
    torch.testing.assert_close(one.state_dict(), same.state_dict(), rtol=0, atol=0)
    assert losses == same_losses
    assert not torch.equal(one[0].weight, other[0].weight)


def test_training_leaves_the_global_generators_alone():
    model = tiny()
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 (its state only)
    list(given.train(model, [easy(60)], [1.0], **{**SETTINGS, "horizontal_flip": True}))
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002


def test_every_training_set_gets_the_same_number_of_steps():
    for n in (5, 60, 500):
        assert len(trained([easy(n)], steps=11)[1]) == 11


class Spy(nn.Module):
    """Notes the pixel values that a model is trained on."""

    def __init__(self):
        super().__init__()
        self.fc, self.seen = nn.Linear(1, 3), []

    def forward(self, x):
        self.seen.append(x.detach().clone())
        return self.fc(x.mean((1, 2, 3))[:, None])


def marked(n, first, size=2):
    """Images that each have a brightness of their own, so that a batch says which they are."""
    return np.full((n, size, size, 3), 1, np.uint8) * np.arange(first, first + n, dtype=np.uint8)[:, None, None, None]


def batches(parts, shares, steps, batch_size, labels=None, **changes):
    """Which brightness each step saw, (steps, batch_size). labels: of each part, or all of one class."""
    spy = Spy()
    settings = {**SETTINGS, "steps": steps, "batch_size": batch_size, "crop_padding": 0, **changes}
    labels = labels or [np.zeros(len(p), np.int64) for p in parts]
    list(given.train(spy, list(zip(parts, labels, strict=True)), shares, **settings))
    return np.rint((np.stack([x[:, 0, 0, 0] for x in spy.seen]) + 1) * 127.5).astype(int)


@pytest.mark.parametrize(
    ("shares", "counts"),
    [
        ((0.5, 0.5), (5, 5)),
        ((0.2, 0.8), (2, 8)),
        ((0.25, 0.75), (2, 8)),
        ((0.3, 0.3, 0.4), (3, 3, 4)),
        ((0.35, 0.35, 0.3), (4, 3, 3)),
        ((0.01, 0.99), (0, 10)),
    ],
)
def test_every_batch_holds_each_source_in_its_share(shares, counts):
    parts = [marked(20, first) for first in (0, 100, 200)[: len(shares)]]
    for batch in batches(parts, shares, steps=9, batch_size=10):
        assert tuple(np.bincount(batch // 100, minlength=len(shares))) == counts


@pytest.mark.parametrize("share", [0.29, 0.57, 0.58])
def test_a_share_that_floating_point_puts_just_below_a_count_is_that_count(share):
    parts = [marked(20, 0), marked(20, 100)]
    (batch,) = batches(parts, (share, 1 - share), steps=1, batch_size=100)
    assert (batch < 100).sum() == round(100 * share)


def test_every_image_is_seen_once_in_each_pass():
    seen = batches([marked(12, 0)], [1.0], steps=9, batch_size=4).ravel()
    orders = seen.reshape(3, 12)
    assert all(sorted(order) == list(range(12)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def test_passes_go_on_across_batches_larger_than_a_source():
    seen = batches([marked(3, 0), marked(50, 100)], [0.5, 0.5], steps=6, batch_size=20)
    small = seen[seen < 100]
    assert np.bincount(small).tolist() == [20, 20, 20]


def test_another_source_beside_it_does_not_change_the_order_of_a_source():
    alone = batches([marked(12, 0)], [1.0], steps=4, batch_size=6)
    beside = batches([marked(12, 0), marked(12, 100)], [0.5, 0.5], steps=4, batch_size=12)
    np.testing.assert_array_equal(beside[:, :6], alone)


UNEQUAL = np.repeat([0, 1, 2], [60, 9, 3])


def test_balanced_training_draws_each_class_as_often_and_each_image_of_it_once_in_a_pass():
    seen = batches([marked(72, 0)], [1.0], steps=36, batch_size=5, labels=[UNEQUAL], class_balance="balanced").ravel()
    assert np.bincount(UNEQUAL[seen]).tolist() == [60, 60, 60]
    assert (np.bincount(seen)[:60] == 1).all()
    for label, size in ((1, 9), (2, 3)):
        own = seen[UNEQUAL[seen] == label]
        passes = own[: len(own) // size * size].reshape(-1, size)
        assert all(len(set(one)) == size for one in passes)
    assert all(sorted(UNEQUAL[turn]) == [0, 1, 2] for turn in seen.reshape(-1, 3))


def test_natural_training_draws_images_as_often_as_there_are():
    seen = batches([marked(72, 0)], [1.0], steps=36, batch_size=10, labels=[UNEQUAL], class_balance="natural").ravel()
    assert np.bincount(UNEQUAL[seen]).tolist() == [300, 45, 15]


def test_a_source_beside_it_does_not_change_the_order_of_a_balanced_one():
    balanced = {"class_balance": "balanced", "steps": 9}
    alone = batches([marked(72, 0)], [1.0], batch_size=6, labels=[UNEQUAL], **balanced)
    parts = [marked(72, 0), marked(12, 100)]
    beside = batches(parts, [0.5, 0.5], batch_size=12, labels=[UNEQUAL, np.zeros(12, np.int64)], **balanced)
    np.testing.assert_array_equal(beside[:, :6], alone)


def test_the_learning_rate_rises_then_falls_to_nothing():
    factors = [training._lr_factor(step, 100, 0.2) for step in range(100)]
    np.testing.assert_allclose(factors[:20], np.arange(1, 21) / 20)
    assert factors[20] == 1
    assert all(later < earlier for earlier, later in itertools.pairwise(factors[20:]))
    assert factors[-1] < 0.001
    assert [training._lr_factor(0, 1, w) for w in (0, 0.2, 1)] == [1, 1, 1]
    assert all(0 < training._lr_factor(s, 7, w) <= 1 for w in (0, 0.5, 1) for s in range(7))


def test_training_is_sgd_with_nesterov_momentum_and_weight_decay():
    """One plain parameter, one image, no augmentation: what torch's formula gives by hand."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2, bias=False))
    with torch.no_grad():
        model[1].weight.fill_(0.1)
    images, labels = marked(1, 200), np.array([1])
    settings = {**SETTINGS, "steps": 5, "batch_size": 1, "crop_padding": 0, "warmup": 0, "weight_decay": 0.01}
    list(given.train(model, [(images, labels)], [1.0], **settings))

    x, weight, velocity = np.full(12, 200 / 127.5 - 1), np.full((2, 12), 0.1), 0
    for step in range(5):
        logits = weight @ x
        chance = np.exp(logits) / np.exp(logits).sum()
        gradient = np.outer(chance - [0, 1], x) + 0.01 * weight
        velocity = 0.9 * velocity + gradient
        lr = 0.05 * (1 if step == 0 else 0.5 * (1 + np.cos(np.pi * (step - 1) / 4)))
        weight = weight - lr * (gradient + 0.9 * velocity)
    np.testing.assert_allclose(model[1].weight.detach(), weight, rtol=1e-5)


# --- prediction --------------------------------------------------------------------------------


def test_pixel_values_reach_from_minus_one_to_one_in_channels_first():
    images = torch.tensor([0, 255, 51], dtype=torch.uint8).expand(1, 2, 5, 3)
    values = training.to_pixel_values(images)
    assert values.shape == (1, 3, 2, 5)
    torch.testing.assert_close(values[0, :, 0, 0], torch.tensor([-1, 1, -0.6]))


def test_predictions_ignore_the_batch_and_use_running_statistics():
    model, _ = trained()
    images, _ = easy(20, seed=4)
    whole = predict(model, images)
    np.testing.assert_allclose(predict(model, images, batch_size=3), whole, atol=1e-5)
    np.testing.assert_allclose(predict(model, images[7:8])[0], whole[7], atol=1e-5)
    assert not model.training


def test_frozen_modules_stay_as_they_are_statistics_included_and_the_rest_learns():
    model = networks.initialise(networks.build("resnet18", 3, 8), seed=0)
    fixed = [module for stage in families.stages(model)[:2] for module in stage]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    run = given.train(model, [easy(24)], [1.0], **{**SETTINGS, "steps": 2}, frozen=fixed)
    list(run)
    changed = {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"layer2", "layer3", "layer4", "fc"}


def test_stages_are_those_of_a_resnet_in_order_and_hold_all_but_the_last_layer():
    model = networks.build("resnet18", 3, 8)
    held = [parameter for stage in families.stages(model) for module in stage for parameter in module.parameters()]
    assert len(families.stages(model)) == 5
    assert {id(p) for p in held} == {id(p) for name, p in model.named_parameters() if not name.startswith("fc.")}
    with pytest.raises(ValueError, match="whose stages are known, to freeze stages of it; got MaxVit"):
        families.stages(networks.build("maxvit_t", 3, 224))


# --- going on from a state ---------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("stopped_after", [1, 5])
def test_a_training_that_goes_on_from_its_state_ends_in_the_same_bits(dtype, stopped_after):
    settings = {**SETTINGS, "steps": 8, "dtype": dtype}

    def begun():
        return networks.initialise(networks.build("resnet18", 3, 8), 0)

    states, whole, resumed = [], begun(), begun()
    losses = list(given.train(whole, [easy(24)], [1.0], **settings, offer=lambda state: states.append(state())))
    state = states[stopped_after - 1]
    assert len(state.losses) == stopped_after
    again = list(given.train(resumed, [easy(24)], [1.0], **settings, state=state))
    assert torch.equal(torch.stack(again), torch.stack(losses))
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)


# --- epochs and random changes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("epochs", "images", "steps"), [(None, 500, 30), (2, 80, 10), (1.5, 33, 4), (0.01, 5, 1)])
def test_steps_are_those_said_or_those_that_the_epochs_take(epochs, images, steps):
    settings = {key: SETTINGS[key] for key in SETTINGS if key not in ("seed", "device", "dtype")}
    assert training.steps_of(training.Settings(**settings, epochs=epochs), images) == steps


def test_random_changes_follow_the_seed_and_a_training_still_learns():
    names = ["rand_augment", "random_erasing", "mixup", "cutmix"]
    parts = [easy(60, size=32)]
    (one, losses), (_, again), (_, other) = (trained(parts, augmentation=names, seed=seed) for seed in (0, 0, 1))
    assert losses == again
    assert losses != other
    assert losses != trained(parts)[1]
    images, labels = easy(200, seed=1, size=32)
    assert (predict(one, images).argmax(axis=1) == labels).mean() > 0.6


def on_disk(folder, images, labels, forms=("raw", "raw", "raw")):
    """The images of a part as Rows of three files."""
    ends, parts = np.linspace(0, len(labels), 4).astype(int), []
    for number, (first, stop) in enumerate(itertools.pairwise(ends)):
        arrays = {"images": images[first:stop], "labels": labels[first:stop], "image_ids": np.arange(first, stop)}
        arrays["variants"] = np.zeros(stop - first, np.int32)
        parts.append(folder / f"{len(labels)}-{number}.h5")
        shards.write(parts[-1], "images", arrays, {"step": "test", "source": "real"}, forms[number])
    shards.write_union(folder / f"{len(labels)}.h5", parts, {"training_set": "real"})
    return shards.opened(folder / f"{len(labels)}.h5")["images"], labels


@pytest.mark.parametrize(
    ("balance", "forms"),
    [
        ("natural", ["raw"] * 3),
        ("balanced", ["raw"] * 3),
        ("natural", ["webp"] * 3),
        ("natural", ["webp", "raw", "webp"]),
    ],
)
def test_images_that_stay_on_disk_train_to_the_same_bits(tmp_path, balance, forms):
    parts = [easy(60), easy(45, seed=1)]
    held, losses = trained(parts, (0.5, 0.5), class_balance=balance)
    read, others = trained([on_disk(tmp_path, *part, forms) for part in parts], (0.5, 0.5), class_balance=balance)
    assert torch.equal(torch.stack(losses), torch.stack(others))
    assert all(map(torch.equal, held.state_dict().values(), read.state_dict().values()))


def test_a_training_from_disk_that_is_left_early_leaves_no_reader_behind(tmp_path):
    part, before = on_disk(tmp_path, *easy(60)), threading.active_count()
    run = given.train(networks.initialise(tiny(), 0), [part], (1.0,), **SETTINGS)
    next(run)
    assert threading.active_count() == before + 1
    run.close()
    assert threading.active_count() == before


def test_the_step_ends_in_the_same_weights_whether_its_images_are_held_or_stay_on_disk(
    tmp_path, run_step, images_shard
):
    parts = [images_shard(f"{n}.h5", n=9, label=n, first_id=9 * n, size=8) for n in range(2)]
    made = {"training_set": "real", "parts": [["real", 18]]}
    shards.write_union(tmp_path / "real.h5", parts, made)
    own = {name: value for name, value in SETTINGS.items() if name not in ("device", "dtype")}
    own |= {
        "steps": 3,
        "architecture": "resnet20",
        "stem": "auto",
        "real_share": 1.0,
        "augmentation": [],
        **given.COMPUTE,
    }
    found = []
    for on_disk in (False, True):
        options = json.dumps({**own, "on_disk": on_disk})
        out = tmp_path / f"{on_disk}.safetensors"
        run_step("scripts.classifier_train", "--training-set", tmp_path / "real.h5", "--options", options, "--out", out)
        found.append(storage.classifier(out)[0].state_dict())
    assert all(map(torch.equal, found[0].values(), found[1].values()))


def test_no_step_leaves_memory_behind():
    """A tensor kept of each step, however small, made 5,000 steps hold 4 GB."""
    images, labels = np.zeros((600, 32, 32, 3), np.uint8), np.arange(600) % 3
    run = given.train(
        networks.initialise(tiny(), 0), [(images, labels)], (1.0,), **{**SETTINGS, "steps": 120, "batch_size": 256}
    )
    resident = []
    for step, _ in enumerate(run):
        if step in (20, 119):
            resident.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    assert resident[1] - resident[0] < 100 * images[0].nbytes * 256 / 10  # a tenth of what is seen
