"""realgap.diffusion.sampling: a sample is its image's and variant's own, and diffusers would have drawn the same."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from realgap.base_model import denoiser, prompting, schedules
from realgap.diffusion import sampling

CPU = torch.device("cpu")
SCHEDULERS = ["pndm", "ddim", "dpmsolver++", "unipc"]
SHAPE = (4, 8, 8)


@pytest.fixture(scope="module")
def unet(base_model):
    return denoiser.load(base_model, CPU, torch.float32)


def draw(unet, scheduler, items, conditioning, unconditional, **changes):
    """Latents of all items, (n, 4, 8, 8)."""
    settings = {"num_inference_steps": 4, "guidance_scale": 2.0, "batch_size": 3, "device": CPU, **changes}
    noise = sampling.initial_latents(items, SHAPE, seed=0)
    predict = denoiser.predictor(unet) if isinstance(unet, torch.nn.Module) else unet
    batches = sampling.sample(noise, conditioning, unconditional, predict, scheduler, torch.clone, **settings)
    return torch.cat(list(batches))


def class_embeddings(n=6):
    """Embeddings (n, 2, 8) that can be told apart, under image ids in no order."""
    ids = np.array([30, 4, 17, 9, 2, 25])[:n]
    return np.stack([np.full((2, 8), i, np.float32) for i in ids]), ids


# --- conditioning -----------------------------------------------------------------------------------------------


def test_items_are_all_variants_of_all_images_side_by_side():
    assert sampling.items(np.array([7, 3]), 2) == [(7, 0), (7, 1), (3, 0), (3, 1)]


def partners(n=6, variants=50, seed=0):
    """The partner id of each item, found from what full mixing leaves of it."""
    embeddings, ids = class_embeddings(n)
    items = sampling.items(ids, variants)
    mixed = sampling.mix(items, embeddings, ids, embedding_noise=0, mixing_weight=1.0, seed=seed)
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
    mixed = sampling.mix(items, embeddings, ids, embedding_noise=0, mixing_weight=0.1, seed=0)
    own = np.array([i for i, _ in items])
    np.testing.assert_allclose(mixed[:, 1, 3], 0.9 * own + 0.1 * found, rtol=1e-5)


def test_noise_is_normal_of_the_size_asked_for_and_new_for_each_variant():
    embeddings, ids = class_embeddings()
    items = sampling.items(ids, 200)
    noise = sampling.mix(items, 0 * embeddings, ids, embedding_noise=0.3, mixing_weight=0, seed=0)
    assert noise.dtype == np.float32
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert noise.std() == pytest.approx(0.3, rel=0.02)
    assert len(np.unique(noise[:, 0, 0])) == len(items)


def test_conditioning_is_the_same_in_any_shard_and_any_order_of_the_class():
    embeddings, ids = class_embeddings()
    settings = {"embedding_noise": 0.1, "mixing_weight": 0.1, "seed": 0}
    whole = sampling.mix(sampling.items(ids, 3), embeddings, ids, **settings)
    shard = sampling.mix(sampling.items(ids[2:4], 3), embeddings[::-1], ids[::-1], **settings)
    np.testing.assert_array_equal(shard, whole[6:12])


def test_a_class_of_one_image_can_not_be_mixed_and_says_so():
    embeddings, ids = class_embeddings(1)
    items = sampling.items(ids, 2)
    with pytest.raises(ValueError, match=r"mixing_weight: needs a partner of the same class.* got 1; set it to 0"):
        sampling.mix(items, embeddings, ids, embedding_noise=0, mixing_weight=0.1, seed=0)
    alone = sampling.mix(items, embeddings, ids, embedding_noise=0, mixing_weight=0, seed=0)
    np.testing.assert_array_equal(alone, np.repeat(embeddings, 2, axis=0))


def test_an_image_without_an_embedding_is_refused_by_its_id():
    embeddings, ids = class_embeddings()
    for missing in (1, 5, 99):
        with pytest.raises(ValueError, match=f"no embedding of image {missing}"):
            sampling.mix([(missing, 0)], embeddings, ids, embedding_noise=0, mixing_weight=0, seed=0)


def test_prompts_are_chosen_evenly_and_by_the_item_alone():
    items = sampling.items(np.arange(300), 4)
    chosen = sampling.choose_prompts(items, 3, seed=0)
    assert np.bincount(chosen) == pytest.approx(np.full(3, 400), abs=5 * (1200 * 2 / 9) ** 0.5)
    np.testing.assert_array_equal(sampling.choose_prompts(items[40:50], 3, seed=0), chosen[40:50])


def test_initial_latents_belong_to_the_item():
    items = sampling.items(np.arange(5), 3)
    latents = sampling.initial_latents(items, SHAPE, seed=0)
    assert (latents.shape, latents.dtype) == ((15, *SHAPE), np.float32)
    np.testing.assert_array_equal(sampling.initial_latents([(2, 1)], SHAPE, seed=0)[0], latents[7])
    assert len(np.unique(latents[:, 0, 0, 0])) == 15
    assert not np.isin(sampling.initial_latents(items, SHAPE, seed=1), latents).any()


# --- denoising --------------------------------------------------------------------------------------------------


@pytest.fixture
def conditions():
    random = np.random.default_rng(0)
    items = sampling.items(np.array([4, 9]), 4)
    return items, random.standard_normal((8, 3, 8), np.float32), random.standard_normal((3, 8), np.float32)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_sample_is_the_same_in_any_batch(base_model, unet, conditions, name):
    items, cond, uncond = conditions
    scheduler = schedules.sampler(base_model, name)
    whole = draw(unet, scheduler, items, cond, uncond, batch_size=100)
    torch.testing.assert_close(draw(unet, scheduler, items, cond, uncond, batch_size=3), whole, rtol=0, atol=1e-4)
    alone = draw(unet, scheduler, items[5:6], cond[5:6], uncond)
    torch.testing.assert_close(alone, whole[5:6], rtol=0, atol=1e-4)
    assert whole.isfinite().all()
    again = draw(unet, schedules.sampler(base_model, name), items, cond, uncond, batch_size=100)
    torch.testing.assert_close(again, whole, rtol=0, atol=0)


@pytest.mark.parametrize("guidance_scale", [1.0, 2.0, 5.0])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_latents_are_those_of_diffusers_own_pipeline(base_model, unet, conditions, name, guidance_scale):
    items, cond, uncond = conditions
    ours = draw(
        unet,
        schedules.sampler(base_model, name),
        items,
        cond,
        uncond,
        guidance_scale=guidance_scale,
        batch_size=100,
    )
    pipeline = StableDiffusionPipeline.from_pretrained(base_model, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = schedules.sampler(base_model, name)
    theirs = pipeline(
        prompt_embeds=torch.from_numpy(cond),
        negative_prompt_embeds=torch.from_numpy(uncond).expand(8, 3, 8),
        latents=torch.from_numpy(sampling.initial_latents(items, SHAPE, seed=0)),
        num_inference_steps=4,
        guidance_scale=guidance_scale,
        output_type="latent",
        height=16,
        width=16,
    ).images
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def counting(calls):
    """A denoiser whose prediction is its conditioning's first number, and that notes what it was asked."""

    def predict(latents, timesteps, conditioning):
        calls.append((len(latents), timesteps.tolist(), conditioning[:, 0, 0].tolist()))
        return conditioning[:, :1, :1, None].expand_as(latents) + 0.1 * latents

    return predict


def test_guidance_scale_1_is_the_conditional_prediction_and_never_runs_the_other(base_model, conditions):
    items, cond, _ = conditions
    scheduler, calls = schedules.sampler(base_model, "ddim"), []
    plain = draw(counting(calls), scheduler, items, cond, np.full((3, 8), np.nan, np.float32), guidance_scale=1.0)
    assert plain.isfinite().all()
    assert {n for n, _, _ in calls} == {3, 2}  # the batches, not twice their size
    almost = draw(counting([]), scheduler, items, cond, np.zeros((3, 8), np.float32), guidance_scale=1 + 1e-6)
    torch.testing.assert_close(almost, plain, rtol=0, atol=1e-3)


def test_guidance_leads_from_the_unconditional_through_the_conditional_prediction(base_model, conditions):
    items, cond, uncond = conditions
    for scale in (2.0, 7.5):
        guided = draw(counting([]), schedules.sampler(base_model, "ddim"), items, cond, uncond, guidance_scale=scale)
        combined = uncond + scale * (cond - uncond)
        expected = draw(
            counting([]),
            schedules.sampler(base_model, "ddim"),
            items,
            combined.astype(np.float32),
            uncond,
            guidance_scale=1.0,
        )
        torch.testing.assert_close(guided, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "calls_per_batch"), [("ddim", 7), ("dpmsolver++", 7), ("unipc", 7), ("pndm", 8)])
def test_the_denoiser_is_called_once_a_step_for_both_branches(base_model, conditions, name, calls_per_batch):
    items, cond, uncond = conditions
    calls = []
    draw(counting(calls), schedules.sampler(base_model, name), items, cond, uncond, num_inference_steps=7)
    assert len(calls) == 3 * calls_per_batch  # 8 items in batches of 3; PNDM takes its first step twice
    assert [n for n, _, _ in calls] == [6] * 2 * calls_per_batch + [4] * calls_per_batch
    for n, timesteps, asked in calls:
        assert len(set(timesteps)) == 1
        assert asked[: n // 2] == pytest.approx([float(uncond[0, 0])] * (n // 2))
    times = [timesteps[0] for _, timesteps, _ in calls[:calls_per_batch]]
    assert times == sorted(times, reverse=True) or name == "pndm"
    assert times == [timesteps[0] for _, timesteps, _ in calls[-calls_per_batch:]]


def test_an_unconditional_branch_of_another_length_is_what_two_separate_calls_would_give(base_model, unet, conditions):
    """The empty prompt is longer than a learned embedding: padding must be neither seen nor missed."""
    items, cond, _ = conditions
    empty = prompting.embed(base_model, [""], CPU)[0].numpy()
    assert len(empty) != cond.shape[1]
    whole = denoiser.predictor(unet)

    def apart(latents, timesteps, conditioning, mask):
        rows = [whole(latents[i : i + 1], timesteps[i : i + 1], conditioning[i : i + 1, m]) for i, m in enumerate(mask)]
        return torch.cat(rows)

    for unconditional, conditional in ((empty, cond), (empty[:2], cond)):
        together, separately = (
            draw(predict, schedules.sampler(base_model, "ddim"), items, conditional, unconditional)
            for predict in (whole, apart)
        )
        torch.testing.assert_close(together, separately, rtol=0, atol=1e-4)


def test_a_batch_that_does_not_fit_is_halved_and_every_item_is_still_drawn_once(base_model, unet, conditions, capfd):
    items, cond, uncond = conditions
    fits = denoiser.predictor(unet)

    def small_device(latents, *others):
        if len(latents) > 4:  # both branches of 2 items
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return fits(latents, *others)

    expected = draw(unet, schedules.sampler(base_model, "ddim"), items, cond, uncond)
    halved = draw(small_device, schedules.sampler(base_model, "ddim"), items, cond, uncond, batch_size=8)
    torch.testing.assert_close(halved, expected, rtol=0, atol=1e-4)
    said = capfd.readouterr().err
    assert said == "".join(f"out of memory with {n} images at once, going on with {n // 2}\n" for n in (8, 4))
