"""realgap.diffusion.sampling: a sample is its image's and variant's own, and diffusers would have drawn the same."""

import numpy as np
import pytest
import torch
import yaml
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_img2img as pipeline_img2img

from realgap.base_model import autoencoder, denoiser, prompting, samplers, schedules
from realgap.base_model.samplers import SAMPLERS
from realgap.cost import plan
from realgap.diffusion import sampling
from realgap.study import sources
from tests import checkout, digits

CPU = torch.device("cpu")
SHAPE = (4, 8, 8)


@pytest.fixture(scope="module")
def unet(base_model):
    return denoiser.load(base_model, CPU, torch.float32)


def draw(unet, scheduler, items, conditioning, unconditional, decode=torch.clone, **changes):
    """Latents of all items, (n, 4, 8, 8), or what `decode` makes of them."""
    settings = {"num_inference_steps": 4, "guidance_scale": 2.0, "batch_size": 3, "device": CPU, **changes}
    noise = sampling.initial_latents(items, SHAPE, seed=0)
    if draws(scheduler):
        settings["generators"] = lambda rows: sampling.generators(items[rows], seed=0)
    predict = denoiser.predictor(unet) if isinstance(unet, torch.nn.Module) else unet
    batches = sampling.sample(noise, conditioning, unconditional, predict, scheduler, decode, **settings)
    return torch.cat(list(batches))


def draws(scheduler):
    return type(scheduler).__name__ in {sampler.kind for sampler in SAMPLERS.values() if sampler.draws}


def test_items_are_all_variants_of_all_images_side_by_side():
    assert sampling.items(np.array([7, 3]), 2) == [(7, 0), (7, 1), (3, 0), (3, 1)]
    assert sampling.items(np.array([7, 3]), np.array([1, 2])) == [(7, 0), (3, 0), (3, 1)]


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


@pytest.mark.parametrize("name", SAMPLERS)
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
@pytest.mark.parametrize("name", SAMPLERS)
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
        generator=sampling.generators(items, seed=0),
        num_inference_steps=4,
        guidance_scale=guidance_scale,
        output_type="latent",
        height=16,
        width=16,
    ).images
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_noise_that_steps_add_is_the_items_own_and_another_with_another_seed():
    items = sampling.items(np.arange(3), 2)

    def first(generators):
        return [float(torch.randn(1, generator=generator)) for generator in generators]

    whole = first(sampling.generators(items, seed=0))
    assert first(sampling.generators(items[3:5], seed=0)) == whole[3:5]
    assert len({*whole, *first(sampling.generators(items, seed=1))}) == 12


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


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_denoiser_is_called_as_often_as_the_plan_counts_for_both_branches(base_model, conditions, name):
    items, cond, uncond = conditions
    calls_per_batch = samplers.calls(name, 7)
    calls = []
    draw(counting(calls), schedules.sampler(base_model, name), items, cond, uncond, num_inference_steps=7)
    assert len(calls) == 3 * calls_per_batch  # 8 items in batches of 3
    assert [n for n, _, _ in calls] == [6] * 2 * calls_per_batch + [4] * calls_per_batch
    for n, timesteps, asked in calls:
        assert len(set(timesteps)) == 1
        assert asked[: n // 2] == pytest.approx([float(uncond[0, 0])] * (n // 2))
    times = [timesteps[0] for _, timesteps, _ in calls[:calls_per_batch]]
    assert times == sorted(times, reverse=True) or name == "pndm"
    assert times == [timesteps[0] for _, timesteps, _ in calls[-calls_per_batch:]]


def test_outside_of_its_interval_guidance_asks_for_one_branch_and_is_what_scale_1_predicts(base_model, conditions):
    items, cond, uncond = conditions
    scheduler, calls = schedules.sampler(base_model, "ddim"), []
    settings = {"num_inference_steps": 8, "guidance_scale": 3.0, "batch_size": 100}
    drawn = draw(counting(calls), scheduler, items, cond, uncond, guidance_interval=[0.25, 0.5], **settings)
    assert [n for n, _, _ in calls] == [8, 8, 16, 16, 8, 8, 8, 8]

    scheduler.set_timesteps(8)
    expected = torch.from_numpy(sampling.initial_latents(items, SHAPE, seed=0))
    predict, given, away = counting([]), torch.from_numpy(cond), torch.from_numpy(uncond).expand(8, -1, -1)
    for number, t in enumerate(scheduler.timesteps):
        one, other = (predict(expected, t.expand(8), c) for c in (given, away))
        expected = scheduler.step(other + 3.0 * (one - other) if number in (2, 3) else one, t, expected).prev_sample
    torch.testing.assert_close(drawn, expected, rtol=1e-5, atol=1e-5)


def test_all_of_the_steps_is_guidance_without_an_interval(base_model, unet, conditions):
    items, cond, uncond = conditions
    with_, without = (
        draw(unet, schedules.sampler(base_model, "pndm"), items, cond, uncond, **given)
        for given in ({"guidance_interval": [0, 1]}, {})
    )
    torch.testing.assert_close(with_, without, rtol=0, atol=0)


def test_padding_is_not_seen_by_a_step_without_guidance(base_model, unet, conditions):
    """The empty prompt is longer than a learned embedding."""
    items, cond, _ = conditions
    empty = prompting.embed(base_model, [""], CPU)[0].numpy()
    never, alone = (
        draw(unet, schedules.sampler(base_model, "ddim"), items, cond, empty, **given)
        for given in ({"guidance_interval": [0.99, 1.0]}, {"guidance_scale": 1.0})
    )
    torch.testing.assert_close(never, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_the_plan_counts_the_branches_that_an_interval_asks_for(base_model, conditions, name, strength):
    items, cond, uncond = conditions
    settings = {"scheduler": name, "num_inference_steps": 10, "guidance_interval": [0.3, 0.8]}
    changed = {"kind": "img2img", "strength": strength} if strength < 1 else {"kind": "prompts"}
    config = yaml.safe_load((checkout.ROOT / "config.yaml").read_text())
    config["sources"]["mine"] = {**changed, **settings}
    start = {"start": begun(items), "strength": strength} if strength < 1 else {}
    calls, sampler = [], schedules.sampler(base_model, name)
    settings = {key: settings[key] for key in ("num_inference_steps", "guidance_interval")}
    draw(counting(calls), sampler, items, cond, uncond, batch_size=100, **settings, **start)
    counted = plan.Plan(config)
    source = sources.of(config)["mine"]
    work = counted.sample_shard(1, source, len(items)).flops
    assert sum(n for n, _, _ in calls) * counted.denoise == pytest.approx(work - len(items) * counted.decoder, rel=1e-9)


def test_the_plan_counts_the_steps_to_an_images_noise_once_for_all_its_samples():
    config = yaml.safe_load((checkout.ROOT / "config.yaml").read_text())
    config["sources"]["mine"] = {"kind": "ddim_inversion", "inversion_steps": 9}
    config["sources"]["plain"] = {"kind": "prompts"}
    counted, both = plan.Plan(config), sources.of(config)
    mine, plain = (counted.sample_shard(3, both[name], 30).flops for name in ("mine", "plain"))
    assert mine - plain == pytest.approx(3 * 9 * counted.denoise, rel=1e-9)


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


def test_a_decode_that_does_not_fit_is_halved_and_nothing_is_denoised_again(base_model, unet, conditions, monkeypatch):
    items, cond, uncond = conditions
    fits, sizes, decoded, original = denoiser.predictor(unet), [], [], autoencoder.decode

    def counted(latents, *others):
        sizes.append(len(latents))
        return fits(latents, *others)

    def small_device(vae, latents, image_size):
        decoded.append(len(latents))
        if len(latents) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return original(vae, latents, image_size)

    def images():
        decode = autoencoder.decoder(autoencoder.load(base_model, CPU, torch.float32), 16)
        sampler = schedules.sampler(base_model, "ddim")
        return draw(counted, sampler, items, cond, uncond, lambda z: torch.from_numpy(decode(z)).int(), batch_size=4)

    expected, whole = images(), list(sizes)
    sizes.clear()
    monkeypatch.setattr(autoencoder, "decode", small_device)
    assert (images() - expected).abs().max() <= 1
    assert sizes == whole
    # what did not fit once is not tried again
    assert decoded == [4, *[2] * (len(items) // 2)]


# --- img2img ----------------------------------------------------------------------------------------------------


def begun(items, seed=0):
    """Moments of the images of some items, and the latents that each item begins at, in rows."""
    random, ids = np.random.default_rng(3), np.array([9, 4])
    mean, std = random.standard_normal((2, *SHAPE), np.float32), np.full((2, *SHAPE), 0.2, np.float32)
    return sampling.Rows(len(items), lambda rows: sampling.noised_start(items[rows], mean, std, ids, 0.7, seed))


# --- from an image's own noise ------------------------------------------------------------------------------------


def gaussian(base_model, spread):
    """The best denoiser of latents that are normal with this standard deviation."""
    alphas, predicted = schedules.noise(base_model)

    def predict(latents, timesteps, conditioning):
        a = alphas[timesteps].reshape(-1, 1, 1, 1)
        share = latents / (a * spread**2 + 1 - a)
        noise, image = (1 - a).sqrt() * share, a.sqrt() * spread**2 * share
        return noise if predicted == "epsilon" else a.sqrt() * noise - (1 - a).sqrt() * image

    return predict, float(alphas[-1])


def invert(base_model, predict, latents, conditioning, **changes):
    settings = {"num_inference_steps": 200, "batch_size": 3, "device": CPU, **changes}
    return sampling.inverted(latents, conditioning, predict, schedules.inverse(base_model), **settings)


@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
def test_latents_are_inverted_into_the_noise_that_the_known_flow_takes_them_to(base_model, conditions, spread):
    """Each value of normal latents keeps its place in the distribution: it grows as the standard deviation does."""
    predict, last = gaussian(base_model, spread)
    latents = spread * np.random.default_rng(0).standard_normal((4, *SHAPE), np.float32)
    found = invert(base_model, predict, latents, conditions[2], num_inference_steps=500)
    expected = latents / spread * np.sqrt(last * spread**2 + 1 - last)
    assert np.abs(found - expected).max() < 0.03 * np.abs(expected).max()


def test_the_noise_leads_back_to_the_image_and_more_steps_lead_nearer(base_model, unet, conditions):
    items, _, condition = conditions
    latents = np.random.default_rng(1).standard_normal((2, *SHAPE), np.float32)
    ids, errors = np.array([9, 4]), []
    predict = denoiser.predictor(unet)
    for number in (10, 100):
        noise = invert(base_model, predict, latents, condition, num_inference_steps=number)
        assert np.abs(noise - latents).max() > 0.1
        begun = sampling.renoised(items, noise, ids, 0.0, seed=0)
        given = {"guidance_scale": 1.0, "num_inference_steps": number, "batch_size": 8, "device": CPU}
        conditioned = np.repeat(condition[None], len(items), axis=0)
        sampler = schedules.sampler(base_model, "ddim")
        back = torch.cat(list(sampling.sample(begun, conditioned, condition, predict, sampler, torch.clone, **given)))
        expected = latents[[1, 1, 1, 1, 0, 0, 0, 0]]  # items are of images 4 and 9
        errors.append(float((back - torch.from_numpy(expected)).abs().mean()))
    assert errors[1] < 0.3 * errors[0]
    assert errors[1] < 0.05


def test_inverting_does_not_depend_on_the_batch(base_model, unet, conditions):
    latents = np.random.default_rng(1).standard_normal((5, *SHAPE), np.float32)
    predict = denoiser.predictor(unet)
    one, other = (
        invert(base_model, predict, latents, conditions[2], num_inference_steps=4, batch_size=n) for n in (1, 5)
    )
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-4)


def test_a_share_of_an_items_noise_is_its_own_and_variance_stays(conditions):
    items = sampling.items(np.array([4, 9]), 500)
    noise = np.random.default_rng(2).standard_normal((2, *SHAPE), np.float32)
    made = sampling.renoised(items, noise, np.array([9, 4]), 0.3, seed=0)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made[:500].mean(axis=0), np.sqrt(0.7) * noise[1], atol=0.15)
    assert made.std() == pytest.approx(1, abs=0.05)
    alone = sampling.renoised(items[600:601], noise, np.array([9, 4]), 0.3, seed=0)
    np.testing.assert_array_equal(alone[0], made[600])
    assert (sampling.renoised(items, noise, np.array([9, 4]), 0.0, seed=0)[:500] == noise[1]).all()


# --- from an image's latents, noised in part ---------------------------------------------------------------------


@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
@pytest.mark.parametrize("strength", [0.3, 1.0])
@pytest.mark.parametrize("name", SAMPLERS)
def test_latents_from_a_noised_image_are_those_of_diffusers_own_pipeline(
    base_model, unet, conditions, monkeypatch, name, strength, guidance_scale
):
    items, cond, uncond = conditions
    start, settings = begun(items), {"num_inference_steps": 10, "guidance_scale": guidance_scale}
    ours = draw(
        unet, schedules.sampler(base_model, name), items, cond, uncond, start=start, strength=strength, **settings
    )
    pipeline = StableDiffusionImg2ImgPipeline.from_pretrained(base_model, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = schedules.sampler(base_model, name)
    noise = torch.from_numpy(sampling.initial_latents(items, SHAPE, seed=0))
    monkeypatch.setattr(pipeline_img2img, "randn_tensor", lambda *shape, **more: noise)
    # an image of as many channels as latents have is taken for latents
    theirs = pipeline(
        image=torch.from_numpy(start[slice(8)]),
        prompt_embeds=torch.from_numpy(cond),
        negative_prompt_embeds=torch.from_numpy(uncond).expand(8, 3, 8),
        strength=strength,
        generator=sampling.generators(items, seed=0),
        output_type="latent",
        **settings,
    ).images
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sample_from_an_image_is_the_same_in_any_batch_and_shard(base_model, unet, conditions, name):
    items, cond, uncond = conditions
    settings = {"strength": 0.5, "num_inference_steps": 6}
    scheduler = schedules.sampler(base_model, name)
    whole = draw(unet, scheduler, items, cond, uncond, start=begun(items), batch_size=100, **settings)
    cut = draw(unet, scheduler, items, cond, uncond, start=begun(items), batch_size=3, **settings)
    torch.testing.assert_close(cut, whole, rtol=0, atol=1e-4)
    some = items[5:7]
    shard = draw(unet, scheduler, some, cond[5:7], uncond, start=begun(some), **settings)
    torch.testing.assert_close(shard, whole[5:7], rtol=0, atol=1e-4)


def test_where_an_item_begins_is_drawn_around_its_own_image():
    items = sampling.items(np.array([4, 9]), 400)
    mean = np.stack([np.full(SHAPE, 1.0, np.float32), np.full(SHAPE, -2.0, np.float32)])
    std = np.full((2, *SHAPE), 0.2, np.float32)
    latents = sampling.noised_start(items, mean, std, np.array([9, 4]), 0.5, seed=0)
    assert latents.dtype == np.float32
    assert latents[:400].mean() == pytest.approx(-1.0, abs=0.01)  # of image 4, the second row
    assert latents[400:].mean() == pytest.approx(0.5, abs=0.01)
    assert latents[400:].std() == pytest.approx(0.1, rel=0.02)
    np.testing.assert_array_equal(sampling.noised_start(items[7:9], mean, std, np.array([9, 4]), 0.5, 0), latents[7:9])


def test_the_stronger_the_farther_from_the_real_digits():
    """In dB of PSNR to the digits that samples of the shipped miniature begin at."""
    model = checkout.ROOT / "resources/mini-sd-digits"
    images = digits.images(3, 12)
    vae, unet = (load(model, CPU, torch.float32) for load in (autoencoder.load, denoiser.load))
    mean, std = autoencoder.encode(vae, images, 16)
    embedded = prompting.embed(model, ["a 3", ""], CPU).numpy()
    items, ids = sampling.items(np.arange(12), 1), np.arange(12)
    shape = mean.shape[1:]
    psnr = []
    for strength in (0.2, 0.5, 0.8, 1.0):
        drawn = sampling.sample(
            sampling.initial_latents(items, shape, seed=0),
            np.repeat(embedded[:1], 12, axis=0),
            embedded[1],
            denoiser.predictor(unet),
            schedules.sampler(model, "dpmsolver++"),
            lambda latents: autoencoder.decode(vae, latents, 16),
            num_inference_steps=10,
            guidance_scale=2.0,
            batch_size=12,
            device=CPU,
            start=sampling.Rows(
                12, lambda rows: sampling.noised_start(items[rows], mean, std, ids, vae.config.scaling_factor, 0)
            ),
            strength=strength,
        )
        errors = np.concatenate(list(drawn)).astype(float) - images
        psnr.append(float(np.mean(-10 * np.log10(np.square(errors / 255).mean(axis=(1, 2, 3))))))
    assert psnr == sorted(psnr, reverse=True), psnr
    assert psnr[0] > psnr[-1] + 5
