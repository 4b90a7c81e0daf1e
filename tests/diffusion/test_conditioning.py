"""realgap.diffusion.conditioning: an item's conditioning is its own, whatever shard or batch it is made in."""

import numpy as np
import pytest

from realgap.diffusion import conditioning, sampling


def class_embeddings(n=6):
    """Embeddings (n, 2, 8) that can be told apart, under image ids in no order."""
    ids = np.array([30, 4, 17, 9, 2, 25])[:n]
    return np.stack([np.full((2, 8), i, np.float32) for i in ids]), ids


def partners(n=6, variants=50, seed=0):
    """The partner id of each item, found from what full mixing leaves of it."""
    embeddings, ids = class_embeddings(n)
    items = sampling.items(ids, variants)
    mixed = conditioning.mix(items, embeddings, ids, embedding_noise=0, interpolation_strength=1.0, seed=seed)
    return items, mixed[:, 0, 0].astype(int), set(ids.tolist())


def test_a_partner_is_of_the_same_class_and_never_the_image_itself():
    for n in (2, 3, 6):
        items, found, ids = partners(n)
        assert set(found.tolist()) == ids  # everyone is someone's partner, nobody else is
        assert all(partner != own for (own, _), partner in zip(items, found, strict=True))


def test_every_other_image_is_as_likely_a_partner():
    items, found, ids = partners(variants=600)
    for own in ids:
        chosen = [p for (i, _), p in zip(items, found, strict=True) if i == own]
        counts = np.unique(chosen, return_counts=True)[1]
        assert len(counts) == 5
        assert counts == pytest.approx(120, abs=5 * (600 * 0.2 * 0.8) ** 0.5)


def test_mixing_moves_that_share_of_the_way_to_the_partner():
    embeddings, ids = class_embeddings()
    items, found, _ = partners(variants=3)
    mixed = conditioning.mix(items, embeddings, ids, embedding_noise=0, interpolation_strength=0.1, seed=0)
    own = np.array([i for i, _ in items])
    np.testing.assert_allclose(mixed[:, 1, 3], 0.9 * own + 0.1 * found, rtol=1e-5)


def test_noise_is_normal_of_the_size_asked_for_and_new_for_each_variant():
    embeddings, ids = class_embeddings()
    items = sampling.items(ids, 200)
    noise = conditioning.mix(items, 0 * embeddings, ids, embedding_noise=0.3, interpolation_strength=0, seed=0)
    assert noise.dtype == np.float32
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert noise.std() == pytest.approx(0.3, rel=0.02)
    assert len(np.unique(noise[:, 0, 0])) == len(items)


def test_conditioning_is_the_same_in_any_shard_and_any_order_of_the_class():
    embeddings, ids = class_embeddings()
    settings = {"embedding_noise": 0.1, "interpolation_strength": 0.1, "seed": 0}
    whole = conditioning.mix(sampling.items(ids, 3), embeddings, ids, **settings)
    shard = conditioning.mix(sampling.items(ids[2:4], 3), embeddings[::-1], ids[::-1], **settings)
    np.testing.assert_array_equal(shard, whole[6:12])


def test_a_class_of_one_image_can_not_be_mixed_and_says_so():
    embeddings, ids = class_embeddings(1)
    items = sampling.items(ids, 2)
    with pytest.raises(
        ValueError, match=r"interpolation_strength: needs a partner of the same class.* got 1; set it to 0"
    ):
        conditioning.mix(items, embeddings, ids, embedding_noise=0, interpolation_strength=0.1, seed=0)
    alone = conditioning.mix(items, embeddings, ids, embedding_noise=0, interpolation_strength=0, seed=0)
    np.testing.assert_array_equal(alone, np.repeat(embeddings, 2, axis=0))


def test_an_image_without_an_embedding_is_refused_by_its_id():
    embeddings, ids = class_embeddings()
    for missing in (1, 5, 99):
        with pytest.raises(ValueError, match=f"no embedding of image {missing}"):
            conditioning.mix([(missing, 0)], embeddings, ids, embedding_noise=0, interpolation_strength=0, seed=0)


def test_prompts_are_chosen_evenly_and_by_the_item_alone():
    items = sampling.items(np.arange(300), 4)
    chosen = conditioning.choose_prompts(items, 3, seed=0)
    assert np.bincount(chosen) == pytest.approx(np.full(3, 400), abs=5 * (1200 * 2 / 9) ** 0.5)
    np.testing.assert_array_equal(conditioning.choose_prompts(items[40:50], 3, seed=0), chosen[40:50])


def test_noise_around_a_shared_embedding_is_each_items_own():
    shared = np.full((2, 8), 3.0, np.float32)
    items = sampling.items(np.arange(40), 5)
    around = conditioning.around(items, shared, 0.5, seed=0)
    assert (around.shape, around.dtype) == ((200, 2, 8), np.float32)
    assert around.mean() == pytest.approx(3, abs=0.05)
    assert around.std() == pytest.approx(0.5, rel=0.05)
    assert len(np.unique(around[:, 0, 0])) == len(items)
    np.testing.assert_array_equal(conditioning.around(items[7:9], shared, 0.5, seed=0), around[7:9])
    np.testing.assert_array_equal(conditioning.around(items, shared, 0.0, seed=0), np.repeat(shared[None], 200, axis=0))
