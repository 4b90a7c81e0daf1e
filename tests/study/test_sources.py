"""realgap.study.sources: a source is one entry, checked before anything starts; what it leaves out has a default."""

import copy
import re
from pathlib import Path

import pytest
import yaml

from realgap.study import config as configuration
from realgap.study import renamed, sources

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())
DENOISED = {"scheduler": "dpmsolver++", "num_inference_steps": 25, "guidance_scale": 2.0, "guidance_interval": [0, 1]}
DENOISED |= {"samples_per_image": None}
# what an entry of nothing but a kind stands for, and which rules make its images
KINDS = {
    "vae_only": ({}, ("encode_shard", "reconstruct_shard")),
    "prompts": (DENOISED, ("sample_shard",)),
    "inversion": (
        {**DENOISED, "unconditional": "class", "embedding_noise": 0.1, "interpolation_strength": 0.1},
        ("encode_shard", "invert_shard", "sample_shard"),
    ),
    "class_inversion": (
        {**DENOISED, "unconditional": "prompt", "embedding_noise": 0.0},
        ("encode_shard", "invert_class", "sample_shard"),
    ),
    "img2img": (
        {
            **DENOISED,
            "strength": 0.5,
            "conditioning": "prompts",
            "unconditional": "prompt",
            "embedding_noise": 0.0,
            "interpolation_strength": 0.0,
        },
        ("encode_shard", "sample_shard"),
    ),
    "ddim_inversion": (
        {**DENOISED, "inversion_steps": 25, "fresh_noise": 0.2},
        ("encode_shard", "sample_shard"),
    ),
}


def study(sets=("real", "mine"), **entries):
    """The default study with these sources beside its own, and these training sets."""
    config = copy.deepcopy(DEFAULT)
    config["sources"] |= entries
    return config | {"training_sets": list(sets)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_alone_has_every_setting_and_the_rules_that_make_it(kind):
    config = study(mine={"kind": kind})
    configuration.check(config)
    mine = sources.used(config)["mine"]
    settings, rules = KINDS[kind]
    assert mine.settings == settings
    assert (*mine.after, mine.rule) == rules
    assert mine.samples_per_image(10) == (1 if kind == "vae_only" else 10)


def test_every_kind_is_among_these_or_needs_a_setting():
    needed = {kind: sources.schema()["additionalProperties"]["allOf"][n]["then"]["required"]
              for n, kind in enumerate(sources.KINDS)}  # fmt: skip
    assert {kind for kind, required in needed.items() if not required} == set(KINDS)
    assert {kind: required for kind, required in needed.items() if required} == {
        "dp_inversion": ["epsilon", "clip"],
        "selection": ["of"],
        "policy": ["among"],
        "folder": ["root"],
        "rendered": ["defect"],
        "new_scenes": ["defects"],
    }


@pytest.mark.parametrize(
    ("conditioning", "after"),
    [
        ("prompts", ("encode_shard",)),
        ("inversion", ("encode_shard", "invert_shard")),
        ("class_inversion", ("encode_shard", "invert_class")),
    ],
)
def test_img2img_needs_what_its_conditioning_needs(conditioning, after):
    mine = sources.of(study(mine={"kind": "img2img", "conditioning": conditioning}))["mine"]
    assert mine.after == after
    assert mine.conditioning == conditioning


def test_several_sources_of_one_kind_stand_side_by_side_and_only_those_shown_count():
    scales = {f"guidance_{scale}": {"kind": "inversion", "guidance_scale": scale} for scale in (1, 2, 3)}
    config = study(["real", "guidance_1", "real+guidance_3"], **scales)
    configuration.check(config)
    used = sources.used(config)
    assert {name: source.settings["guidance_scale"] for name, source in used.items()} == {
        "guidance_1": 1,
        "guidance_3": 3,
    }
    assert set(sources.of(config)) == {*DEFAULT["sources"], *scales}


def test_parts_are_the_sources_in_the_order_of_the_name_and_real_images_have_a_folder_of_their_own():
    assert sources.parts_of("real+stable_diffusion") == ["real", "stable_diffusion"]
    assert sources.parts_of("vae_only") == ["vae_only"]
    assert [sources.folder(name) for name in ("real", "vae_only")] == ["real", "samples/vae_only"]


def selecting(**changes):
    many = {"kind": "prompts", "samples_per_image": 4}
    return {"many": many, "mine": {"kind": "selection", "of": "many", "samples_per_image": 1, **changes}}


def test_a_selection_keeps_one_of_so_many_images_of_another_source():
    config = study(**selecting(criteria={"coverage": 2, "typicality": 0.5}))
    configuration.check(config)
    mine = sources.used(config)["mine"]
    assert (mine.rule, mine.samples_per_image(10)) == ("select_shard", 1)
    assert sources.of(config)["many"].samples_per_image(10) == 4


WRONG_SELECTIONS = [
    ({"of": "none"}, "config: sources.mine.of: must be real or one of the sources vae_only, stable_diffusion, "),
    ({"of": "mine"}, "many; got 'mine'"),
    (
        {"candidates": 3},
        "config: sources.many.samples_per_image: must be 3, for 3 candidates of each image of mine; got 4",
    ),
    ({"samples_per_image": None}, "config: sources.many.samples_per_image: must be 4"),
    ({"samples_per_image": 2}, "config: sources.many.samples_per_image: must be 8"),
    ({"criteria": {}}, "config: sources.mine.criteria: "),
    ({"criteria": {"beauty": 1}}, "config: sources.mine.criteria: "),
    ({"criteria": {"utility": 0}}, "config: sources.mine.criteria.utility: must be more than 0; got 0"),
    ({"criteria": {"geometry": 1}}, "config: sources.mine.criteria.geometry: must be left out below 128 px"),
    ({"candidates": 1}, "config: sources.mine.candidates: must be at least 2; got 1"),
]


@pytest.mark.parametrize(("changes", "says"), WRONG_SELECTIONS)
def test_a_selection_that_cannot_be_made_is_one_line(changes, says):
    config = study(**selecting(**changes))
    if changes == {"samples_per_image": None}:
        config["sources"]["many"]["samples_per_image"] = 5
    with pytest.raises(ValueError, match=re.escape(says)) as error:
        configuration.check(config)
    assert len(str(error.value).splitlines()) == 1


def test_a_selection_needs_an_image_of_each_class_in_every_fold():
    config = study(**selecting())
    config["dataset"] = {**config["dataset"], "images_per_class": 2}
    config["selection"] = {**config["selection"], "folds": 3}
    with pytest.raises(ValueError, match="dataset.images_per_class: must be at least selection.folds, 3, .*; got 2"):
        configuration.check(config)


def policy(validation=5, **changes):
    config = study(mine={"kind": "policy", "among": ["stable_diffusion", "diffusion_inversion"], **changes})
    return {**config, "dataset": {**config["dataset"], "validation_images_per_class": validation}}


def test_a_policy_takes_images_of_other_sources_by_rounds_on_validation_images():
    config = policy()
    configuration.check(config)
    mine = sources.used(config)["mine"]
    assert (*mine.after, mine.rule) == ("judge_policy", "follow_shard")
    assert (mine.settings["rounds"], mine.samples_per_image(10)) == (1, 10)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"among": ["stable_diffusion", "vae_only"]},
            "config: sources.mine.among: must be of the sampled sources stable_",
        ),
        ({"among": ["stable_diffusion", "mine"]}, "got 'mine'"),
        ({"among": ["stable_diffusion"]}, "config: sources.mine.among: must be a list of at least 2; got "),
        (
            {"rounds": 2},
            "config: sources.mine.rounds: must be at most 1 for 2 sources, half of which are left after each; ",
        ),
        ({"samples_per_image": 3}, "config: sources.stable_diffusion.samples_per_image: must be 3, as of mine, "),
        ({"validation": 0}, "config: dataset.validation_images_per_class: must be 1 or more, for mine chooses by "),
    ],
)
def test_a_policy_that_cannot_be_made_is_one_line(changes, says):
    with pytest.raises(ValueError, match=re.escape(says)) as error:
        configuration.check(policy(**changes))
    assert len(str(error.value).splitlines()) == 1


WRONG = [
    # the entry itself
    ({"mine": {}}, "config: sources.mine: missing key 'kind'"),
    ({"mine": []}, "config: sources.mine: must be of type object; got []"),
    ({"mine": {"kind": "gan"}}, "config: sources.mine.kind: must be one of vae_only, prompts, inversion, "),
    ({"Mine": {"kind": "prompts"}}, "must be a name of small letters, digits and underscores; got 'Mine'"),
    ({"a+b": {"kind": "prompts"}}, "must be a name of small letters, digits and underscores; got 'a+b'"),
    ({"real": {"kind": "prompts"}}, "config: sources: must not hold 'real', which is always there"),
    # settings of another kind
    ({"mine": {"kind": "prompts", "strength": 0.5}}, "config: sources.mine: unknown key 'strength'; allowed: "),
    ({"mine": {"kind": "vae_only", "guidance_scale": 2}}, "config: sources.mine: unknown key 'guidance_scale'"),
    (
        {"mine": {"kind": "inversion", "root": "x"}},
        "config: sources.mine: unknown key 'root'; allowed: embedding_noise, ",
    ),
    ({"mine": {"kind": "class_inversion", "interpolation_strength": 0}}, "unknown key 'interpolation_strength'"),
    ({"mine": {"kind": "folder"}}, "config: sources.mine: missing key 'root'"),
    ({"mine": {"kind": "rendered"}}, "config: sources.mine: missing key 'defect'"),
    # limits
    ({"mine": {"kind": "prompts", "num_inference_steps": 0}}, "mine.num_inference_steps: must be at least 1; got 0"),
    ({"mine": {"kind": "prompts", "num_inference_steps": 1001}}, "num_inference_steps: must be at most 1000; got 1001"),
    (
        {"mine": {"kind": "prompts", "scheduler": "lcm", "num_inference_steps": 51}},
        "mine.num_inference_steps: must be at most 50 for scheduler lcm; got 51",
    ),
    ({"mine": {"kind": "prompts", "num_inference_steps": 2.0}}, "must be of type integer; got 2.0"),
    ({"mine": {"kind": "prompts", "guidance_scale": 0.9}}, "mine.guidance_scale: must be at least 1; got 0.9"),
    ({"mine": {"kind": "prompts", "guidance_scale": 51}}, "mine.guidance_scale: must be at most 50; got 51"),
    (
        {"mine": {"kind": "prompts", "guidance_interval": [0.5, 0.5]}},
        "guidance_interval: must be two shares of the steps, the first below the last (guidance_scale: 1 for no "
        "guidance); got [0.5, 0.5]",
    ),
    ({"mine": {"kind": "prompts", "guidance_interval": [0, 1, 1]}}, "must be a list of at most 2; got [0, 1, 1]"),
    ({"mine": {"kind": "prompts", "guidance_interval": [0, 2]}}, "guidance_interval.1: must be at most 1; got 2"),
    ({"mine": {"kind": "img2img", "strength": 0}}, "sources.mine.strength: must be more than 0; got 0"),
    ({"mine": {"kind": "img2img", "strength": 1.1}}, "sources.mine.strength: must be at most 1; got 1.1"),
    (
        {"mine": {"kind": "img2img", "conditioning": "looks"}},
        "conditioning: must be one of prompts, inversion, class_in",
    ),
    ({"mine": {"kind": "inversion", "embedding_noise": 11}}, "mine.embedding_noise: must be at most 10; got 11"),
    (
        {"mine": {"kind": "inversion", "interpolation_strength": -1}},
        "interpolation_strength: must be at least 0; got -1",
    ),
    ({"mine": {"kind": "inversion", "unconditional": "none"}}, "must be one of class, dataset, prompt; got 'none'"),
    ({"mine": {"kind": "folder", "root": 3}}, "config: sources.mine.root: must be of type string; got 3"),
    ({"mine": {"kind": "rendered", "defect": "mud"}}, "mine.defect: must be one of bent_lines, second_light, broken_"),
    ({"mine": {"kind": "new_scenes"}}, "config: sources.mine: missing key 'defects'"),
    # what does not fit the rest
    ({"mine": {"kind": "class_inversion", "unconditional": "class"}}, "must be one of dataset, prompt; got 'class'"),
    (
        {"mine": {"kind": "img2img", "conditioning": "class_inversion", "unconditional": "class"}},
        "config: sources.mine.unconditional: must be dataset or prompt for one embedding a class; got 'class'",
    ),
    (
        {"mine": {"kind": "img2img", "unconditional": "dataset"}},
        "config: sources.mine.unconditional: must be prompt where conditioning is prompts; got 'dataset'",
    ),
    (
        {"mine": {"kind": "folder", "root": "no/where"}},
        "config: sources.mine.root: must be where the images are; got 'no/where', nothing there",
    ),
    (
        {"mine": {"kind": "rendered", "defect": "bent_lines"}},
        "config: sources.mine.kind: must be another than rendered unless dataset.name is rendered; got 'digits'",
    ),
    (
        {"mine": {"kind": "new_scenes", "defects": ["bent_lines"]}},
        "config: sources.mine.kind: must be another than new_scenes unless dataset.name is rendered; got 'digits'",
    ),
]


@pytest.mark.parametrize(("entries", "message"), WRONG)
def test_a_wrong_source_is_one_line_that_names_its_key(entries, message):
    with pytest.raises(ValueError, match="^config: ") as caught:
        configuration.check(study(**entries))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("setting", ["inversion", "img2img"])
def test_a_class_of_one_image_has_no_partner_to_mix_with(setting):
    config = study(mine={"kind": setting, "interpolation_strength": 0.1})
    config["dataset"]["images_per_class"] = 1
    with pytest.raises(ValueError, match=r"sources\.mine\.interpolation_strength: must be 0 when .* is 1 .*, got 0\.1"):
        sources.check_counts(config)


def test_an_unused_source_may_not_fit_the_data_set():
    configuration.check(study(["real", "vae_only"], mine={"kind": "rendered", "defect": "bent_lines"}))


def test_real_images_are_never_a_source_of_the_config_and_stand_first_in_a_set():
    for sets, message in (
        (["vae_only", "stable_diffusion"], "must hold 'real'"),
        (["real", "vae_only+real"], "real must stand first in a set, got 'vae_only\\+real'"),
        (["real", "real+real"], "each source may stand once in a set, got 'real\\+real'"),
        (["real", "real+mine"], "must be made of the sources real, vae_only, .*; got 'mine' in 'real\\+mine'"),
    ):
        with pytest.raises(ValueError, match=message):
            configuration.check(study(sets))


@pytest.mark.parametrize("old", renamed.RENAMED)
def test_an_old_key_is_one_line_that_says_what_to_write(old):
    config = {**copy.deepcopy(DEFAULT)}
    *above, last = old.split(".")
    section = config
    for key in above:
        section = section.setdefault(key, {})
    section[last] = True
    with pytest.raises(ValueError, match="^config: ") as caught:
        configuration.check(config)
    assert str(caught.value) == f"config: {old}: no longer a key; write {renamed.RENAMED[old]}"


@pytest.mark.parametrize(
    "path", [ROOT / "config.yaml", *(ROOT / "resources/studies").glob("*.yaml")], ids=lambda p: p.stem
)
def test_no_shipped_study_has_an_old_key(path):
    renamed.check(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    ("parts", "real_share", "shares"),
    [
        (["real"], None, [1.0]),
        (["real", "mine"], 0.25, [0.25, 0.75]),
        (["real", "mine", "other"], 0.5, [0.5, 0.25, 0.25]),
        (["mine", "other"], 0.5, [0.5, 0.5]),
        (["real", "mine"], None, [0.1, 0.9]),
        (["real", "mine", "other"], None, [0.05, 0.45, 0.5]),
    ],
)
def test_shares_of_a_batch_are_those_said_or_those_of_the_images(parts, real_share, shares):
    counts = {"real": 10, "mine": 90, "other": 100}
    found = sources.batch_shares(parts, real_share, [counts[part] for part in parts])
    assert found == pytest.approx(shares)


def test_without_a_share_the_numbers_decide_whether_a_batch_holds_a_real_image():
    config = study(sets=["real", "real+mine"], mine={"kind": "prompts"})
    config["classifier"] |= {"real_share": None, "batch_size": 16}
    configuration.check(config)
    config["sampling"]["samples_per_image"] = 100
    with pytest.raises(ValueError, match=r"real\+mine an image of every batch, with real_share None; .* real has none"):
        configuration.check(config)


@pytest.mark.parametrize("name", ["nan", "null"])
def test_a_name_that_tables_read_as_no_value_is_refused(name):
    config = study()
    config["sources"][name] = config["sources"]["stable_diffusion"]
    with pytest.raises(ValueError, match=f"config: sources: must have names that tables can hold; got '{name}'"):
        sources.check(config)


def test_the_images_of_a_selection_are_described_by_how_they_are_kept():
    own = {
        "useful": {"kind": "selection", "of": "stable_diffusion", "criteria": {"utility": 1, "attention": 2}},
        "picked": {"kind": "selection", "of": "real", "criteria": {"random": 1}},
        "mixed": {"kind": "selection", "of": "vae_only", "criteria": {"utility": 1}, "shuffled": True},
    }
    assert sources.descriptions({"sources": own}, own) == {
        "useful": "of 4 candidates of stable diffusion one each is kept, by utility and attention.",
        "picked": "of 4 candidates of real one each is kept, at random.",
        "mixed": "of 4 candidates of vae only one each is kept, by utility of other candidates (control).",
    }
