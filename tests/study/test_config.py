"""realgap.study.config: a wrong configuration is one line that names key, what it must be and what it is."""

import copy
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from realgap.study import config as configuration
from realgap.study import renamed

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())
SCHEMA = configuration.schema()
PRETRAINING = yaml.safe_load((ROOT / "workflow" / "pretraining" / "config.schema.yaml").read_text())

# (key, value that is put there, what the message says)
WRONG = [
    ("colour", "red", "config: top level: unknown key 'colour'; allowed: "),
    ("inversion.step", 3, "config: inversion: unknown key 'step'; allowed: batch_size, early_stopping_pairs, "),
    ("sources.stable_diffusion.embedding_noise", 0.1, "config: sources.stable_diffusion: unknown key"),
    ("seeds", ..., "config: top level: missing key 'seeds'"),
    ("classifier.lr", ..., "config: classifier: missing key 'lr'"),
    ("dataset", [], "config: dataset: must be of type object; got []"),
    ("study", "", "config: study: must start with a letter or digit and hold only"),
    ("study", "../elsewhere", "config: study: must start with a letter or digit and hold only"),
    ("study", "a b", "got 'a b'"),
    ("study", "digits\n", r"got 'digits\n'"),
    ("study", "published", "config: study: must be another name, results/published/ holds something else; got 'pub"),
    ("study", "Downloads", "config: study: must be another name, results/Downloads/ holds something else"),
    ("pretraining", {"seed": 1}, "pretraining: no longer a key; write digits in workflow/pretraining/config.yaml"),
    ("pretraining_natural", {}, "no longer a key; write natural in workflow/pretraining/config.yaml"),
    ("study", 7, "config: study: must be of type string; got 7"),
    ("seed", -1, "config: seed: must be at least 0; got -1"),
    ("seed", True, "config: seed: must be of type integer; got True"),
    ("dataset.name", "lsun", "config: dataset.name: must be one of "),
    ("dataset.classes", ["one"], "config: dataset.classes: must be a list of at least 2; got ['one']"),
    ("dataset.classes", ["one", "one"], "config: dataset.classes: must not repeat an entry"),
    ("dataset.classes", ["one", "a\nb"], "config: dataset.classes.1: must be a name of at most 200 characters"),
    ("dataset.classes", ["one", 2], "config: dataset.classes.1: must be of type string; got 2"),
    ("dataset.classes", ["zerro", "one"], "six, seven, eight, nine; got 'zerro' (zero?)"),
    ("dataset.classes", ["one", "eleven"], "config: dataset.classes: must be among zero, one, "),
    ("dataset.images_per_class", 10.0, "images_per_class: must be of type integer, string or object; got 10.0"),
    ("dataset.images_per_class", "some", 'must be a number, all, up to a number ("up to 500"), or one of these for'),
    (
        "dataset.images_per_class",
        {"zero": "most"},
        'images_per_class.zero: must be a number, all, or up to a number ("',
    ),
    ("dataset.images_per_class", "all", "images_per_class: must be a number for digits, the rest of them is tested on"),
    ("dataset.images_per_class", {"zero": 3, "Nine": 4}, "must be of classes of the study; got 'Nine' (nine?)"),
    (
        "dataset.images_per_class",
        {"zero": 3},
        "must say a number for each class; none for 'one', 'two', 'three', 'four', ",
    ),
    ("dataset.images_per_shard", 0, "config: dataset.images_per_shard: must be at least 1; got 0"),
    ("dataset.image_size", "16", "config: dataset.image_size: must be of type integer; got '16'"),
    ("inversion.start", "mean", "config: inversion.start: must be one of prompt, looks, random; got 'mean'"),
    ("inversion.lr", "1e-3", "config: inversion.lr: must be of type number; got '1e-3'"),
    ("inversion.lr", 0, "config: inversion.lr: must be more than 0; got 0"),
    ("inversion.lr", float("nan"), "config: inversion.lr: must be of type number; got nan"),
    ("inversion.start_scale", float("inf"), "config: inversion.start_scale: must be of type number; got inf"),
    ("sources.diffusion_inversion.interpolation_strength", 1.5, "interpolation_strength: must be at most 1; got 1.5"),
    ("sources.stable_diffusion.scheduler", "heun", "one of pndm, ddim, dpmsolver++, unipc, euler, lcm; got 'heun'"),
    ("sources.stable_diffusion.guidance_scale", 0.5, "guidance_scale: must be at least 1; got 0.5"),
    ("classifier.momentum", 1, "config: classifier.momentum: must be less than 1; got 1"),
    ("classifier.horizontal_flip", 1, "config: classifier.horizontal_flip: must be of type boolean; got 1"),
    ("training_sets", ["real"], "config: training_sets: must be a list of at least 2; got ['real']"),
    (
        "training_sets",
        ["real", "gan"],
        "made of the sources real, vae_only, stable_diffusion, diffusion_inversion; got 'gan'",
    ),
    ("training_sets", ["real", "vae_only+real"], "training_sets: real must stand first in a set, got 'vae_only+real'"),
    (
        "training_sets",
        ["real", "a b"],
        "config: training_sets.1: must be names of sources joined by +, and may end in @ and the name of a recipe; "
        "got 'a b'",
    ),
    ("training_sets", ["vae_only", "stable_diffusion"], "config: training_sets: must hold 'real'"),
    ("training_sets", ["real", "real+vae_only+vae_only"], "each source may stand once in a set, got 'real+vae_only+"),
    (
        "sources.vae_only",
        {"kind": "rendered", "defect": "bent_lines"},
        "config: sources.vae_only.kind: must be another than rendered unless dataset.name is rendered; got 'digits'",
    ),
    ("geometry.images_per_class", -1, "config: geometry.images_per_class: must be at least 1; got -1"),
    ("geometry.images_per_class", 0, "images_per_class: 0 is no longer a switch; leave geometry out of analyses"),
    ("geometry.detector", 3, "config: geometry.detector: must be of type string; got 3"),
    (
        "geometry.detector",
        "no.pt",
        "config: geometry.detector: must be lsd or an ONNX file; got 'no.pt', no such",
    ),
    ("geometry.controls.resample", 2, "config: geometry.controls.resample: must be at most 1; got 2"),
    ("geometry.controls.blur", 2, "config: geometry.controls: unknown key 'blur'; allowed: blur_px, resample, warp"),
    ("geometry.confidence", 0.3, "config: geometry.confidence: must be at least 0.5; got 0.3"),
    ("seeds", [0, 0], "config: seeds: must not repeat an entry; got [0, 0]"),
    ("compute.device", "tpu", "config: compute.device: must be one of auto, cpu, cuda; got 'tpu'"),
    ("sampling.batch_size", 0, "config: sampling.batch_size: must be at least 1; got 0"),
    ("classifier.batch_size", None, "config: classifier.batch_size: must be of type integer; got None"),
    ("sampling.full_size_per_class", 11, "sampling.full_size_per_class: must be at most 10, the images of a class"),
    (
        "base_model.path",
        "nowhere",
        "base_model.path: must be a folder in diffusers' layout, with model_index.json; got 'n",
    ),
    ("inversion.early_stopping_patience", 0, "early_stopping_patience: must be at least 1; got 0"),
    ("geometry.images_per_class", 0.5, "config: geometry.images_per_class: must be of type integer; got 0.5"),
    ("plan.utilisation", 0, "config: plan.utilisation: must be more than 0; got 0"),
    ("plan.device", "tpu", "config: plan.device: must be one of cpu, t4, "),
    ("dataset.images_per_class", 1, "interpolation_strength: must be 0 when dataset.images_per_class is 1"),
    ("analyses", ["saliency", "taste"], "config: analyses.1: must be one of pilot, saliency, fidelity, detection, "),
    ("saliency.layer", "layer 4", "config: saliency.layer: must be auto, or the name of a module of the classifier"),
    ("saliency.method", "gradcam", "config: saliency.method: must be one of grad_cam, grad_cam_reference, "),
    ("features.extractor", "vgg", "config: features.extractor: must be one of classifier, inception, dinov2, clip"),
    ("features.extractor", "inception", "features.weights: must be where those of inception are; got None"),
    ("features.weights", "w.pth", "config: features.weights: must be null for the classifier; got 'w.pth'"),
    ("dataset.test_images_per_class", 1, "config: analyses: must leave out fidelity where a class has 1 real image"),
    ("detection.folds", 101, "config: detection.folds: must be at most 100; got 101"),
    ("detection.images_per_class", 0, "config: detection.images_per_class: must be at least 1; got 0"),
    ("memorisation.near_copy_quantile", 0, "config: memorisation.near_copy_quantile: must be more than 0; got 0"),
    ("scaling.multiples", [], "config: scaling.multiples: must be a list of at least 1; got []"),
    ("transfer.fractions", [1.5], "config: transfer.fractions.0: must be at most 1; got 1.5"),
    (
        "sampling.samples_per_class",
        9,
        "samples_per_class: must be at least 10, the real images of the largest class, or",
    ),
    (
        "classifier.class_balance",
        "even",
        "config: classifier.class_balance: must be one of natural, balanced; got 'even'",
    ),
    ("transfer.frozen_stages", [6], "config: transfer.frozen_stages.0: must be at most 5; got 6"),
]


def changed(key, value):
    config = copy.deepcopy(DEFAULT)
    *sections, last = key.split(".")
    section = config
    for name in sections:
        section = section[name]
    if value is ...:
        del section[last]
    else:
        section[last] = value
    return config


def test_a_study_too_small_for_the_classifiers_of_geometry_is_refused_before_any_work():
    config = changed("dataset.classes", ["zero", "one"])
    config["dataset"]["images_per_class"] = 2
    with pytest.raises(ValueError, match=r"geometry\.images_per_class: must give 5 images of all classes.*; got 4"):
        configuration.check(config)
    config["analyses"].remove("geometry")
    configuration.check(config)


def test_a_class_with_too_few_test_images_for_an_analysis_is_named():
    tested = {"zero": 40, "one": 3, "two": 1}
    for analysis, said in (
        (
            "errors",
            r"errors\.distance_bins: must be at most the test .*; got 4, and fewer of 'one' \(3\), 'two' \(1\)$",
        ),
        ("fidelity", r"analyses: must leave out fidelity where a class has fewer than 2 test images; got 'two' \(1\)$"),
    ):
        with pytest.raises(ValueError, match=said):
            configuration.check_tested({**DEFAULT, "analyses": [analysis]}, tested)
    configuration.check_tested({**DEFAULT, "analyses": ["saliency"]}, tested)


def test_the_default_config_is_right():
    configuration.check(DEFAULT)


@pytest.mark.parametrize("study", sorted((ROOT / "resources" / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_study_is_right_on_top_of_the_default(study):
    def laid_over(below, above):
        both = {**below, **above}
        nested = {k: laid_over(below[k], above[k]) for k in above if isinstance(below.get(k), dict)}
        return {**both, **nested}

    configuration.check(laid_over(DEFAULT, yaml.safe_load(study.read_text())))


@pytest.mark.parametrize(("key", "value", "message"), WRONG)
def test_a_wrong_config_is_one_line_that_names_key_value_and_what_is_allowed(key, value, message):
    with pytest.raises(ValueError, match="^config: ") as caught:
        configuration.check(changed(key, value))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 450


def test_one_image_a_class_is_right_without_mixing():
    config = changed("dataset.images_per_class", 1)
    config["sources"]["diffusion_inversion"]["interpolation_strength"] = 0
    config["analyses"] = ["saliency", "errors", "geometry"]  # a ball needs neighbours of its own class
    configuration.check(config)


def test_frozen_stages_need_a_family_whose_stages_are_known():
    config = changed("classifier.architecture", "vgg11")
    config["dataset"]["image_size"], config["saliency"]["layer"] = 64, "auto"
    config["analyses"].append("transfer")
    configuration.check(config)
    config["classifier"]["architecture"] = "shufflenet_v2_x0_5"
    with pytest.raises(ValueError, match="must leave out transfer unless the stages .* got 'shufflenet_v2_x0_5'"):
        configuration.check(config)
    config["classifier"] |= {"architecture": "resnet18", "backbone_lr": 0}
    with pytest.raises(ValueError, match="must leave out transfer where classifier.backbone_lr is 0"):
        configuration.check(config)


def test_a_classifier_that_does_not_fit_is_found_before_anything_is_made():
    config = changed("classifier.architecture", "vgg11")  # halves its input five times
    with pytest.raises(ValueError, match="must take images of dataset.image_size 16; got 'vgg11', which does not"):
        configuration.check(config)
    config["dataset"]["image_size"] = 32
    with pytest.raises(
        ValueError, match="saliency.layer: must be auto or a module of vgg11, such as features, .* got 'layer3'"
    ):
        configuration.check(config)


def test_a_choice_among_candidates_needs_the_layer_of_maps_too():
    config = copy.deepcopy(DEFAULT)
    config["classifier"]["architecture"], config["analyses"] = "shufflenet_v2_x0_5", []
    configuration.check(config)
    config["sources"]["kept"] = {"kind": "selection", "of": "stable_diffusion", "candidates": 5, "samples_per_image": 2}
    config["training_sets"] = ["real", "real+kept"]
    with pytest.raises(ValueError, match="saliency.layer: must be auto or a module of shufflenet_v2_x0_5"):
        configuration.check(config)


def test_transfer_needs_a_classifier_that_has_seen_no_real_image():
    config = changed("training_sets", ["real", "real+stable_diffusion"])
    config["analyses"] = ["transfer"]
    with pytest.raises(ValueError, match="must leave out transfer where every training set has real images; got"):
        configuration.check(config)


def test_scaling_needs_a_training_set_that_can_grow_and_a_number_to_grow_from():
    config = changed("analyses", ["scaling"])
    configuration.check(config)
    config["scaling"]["multiples"] = [10, 20]
    with pytest.raises(
        ValueError, match="scaling.multiples: must hold a number below sampling.samples_per_image, 10; got"
    ):
        configuration.check(config)
    config["training_sets"] = ["real", "vae_only"]
    with pytest.raises(ValueError, match="must leave out scaling where no training set has several images"):
        configuration.check(config)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("attention", {"layer": "layer4"}, "attention: no longer a key; write saliency"),
        (
            "mistakes",
            {"confidence_bins": 15},
            "mistakes: no longer a key; write errors, with distance_bins for edge_bins",
        ),
        ("errors.edge_bins", 4, "errors.edge_bins: no longer a key; write errors.distance_bins"),
        ("memorisation.chance", 0.01, "memorisation.chance: no longer a key; write memorisation.near_copy_quantile"),
        ("analyses", ["mistakes"], "analyses: mistakes is no longer the name of an analysis; write errors"),
        (
            "scaling.enabled",
            False,
            "scaling.enabled: no longer a key; write scaling under analyses, or leave it out there",
        ),
        (
            "transfer.enabled",
            True,
            "transfer.enabled: no longer a key; write transfer under analyses, or leave it out there",
        ),
    ],
)
def test_an_old_key_is_told_its_new_name(key, value, message):
    with pytest.raises(ValueError, match=f"^config: {re.escape(message)}"):
        configuration.check(changed(key, value))


def test_every_new_name_of_a_renamed_key_exists():
    for new in (new for new in renamed.RENAMED.values() if " " not in new):
        at = configuration.schema()
        for name in new.split("."):
            at = at["properties"][name]


def test_a_long_value_is_cut_short():
    with pytest.raises(ValueError, match=r"got '~{76}\.\.\.$"):
        configuration.check(changed("study", "~" * 10_000))


def described(schema, definitions, path=()):
    """Every key of the schema with what it says of itself; references followed."""
    for name, entry in schema.get("properties", {}).items():
        entry = definitions[entry["$ref"].rsplit("/", 1)[1]] if "$ref" in entry else entry
        yield ".".join((*path, name)), entry
        yield from described(entry, definitions, (*path, name))


@pytest.mark.parametrize("schema", [SCHEMA, PRETRAINING], ids=["study", "pretraining"])
def test_every_key_of_the_schema_says_its_type_and_meaning_and_refuses_unknown_ones(schema):
    for key, entry in described(schema, schema["$defs"]):
        if entry.get("type") == "object":
            # names of sources are the study's own: what they may be is said instead
            assert entry.get("additionalProperties") is False or "propertyNames" in entry, key
        else:
            assert entry.get("description"), key
            assert "type" in entry or "enum" in entry, key


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds: [0, 0]", "config: seeds: must not repeat an entry; got [0, 0]"),
        ("inversion: {lr: -1, vists: 3}", "config: inversion: unknown key 'vists'; allowed: "),
        ("prompts: {templates: resources/none.txt}", "resources/none.txt"),
    ],
)
def test_the_real_command_stops_before_any_job_without_a_traceback(tmp_path, text, message):
    (tmp_path / "study.yaml").write_text(f"study: never-made\n{text}\n")
    command = ["snakemake", "--nolock", "--configfile", tmp_path / "study.yaml"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    said = run.stdout + run.stderr
    assert run.returncode == 1, said
    assert message in said
    assert "Traceback" not in said
    assert not (ROOT / "results" / "never-made").exists()


def test_too_little_address_space_is_one_line_before_any_step_fails_without_a_word_of_it():
    command = "ulimit -v 6000000; exec snakemake -n --quiet --nolock"
    run = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    said = run.stdout + run.stderr
    assert run.returncode == 1, said
    assert said.count("ulimit -v: must be unlimited or at least 7812500 (kB); got 6000000") == 1
    assert "Traceback" not in said


@pytest.mark.long
def test_a_second_configfile_option_is_refused_for_snakemake_would_drop_the_first(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(f"study: {name}\n")
    for options, code in (
        (["--configfile", tmp_path / "one.yaml", f"--configfile={tmp_path}/two.yaml"], 1),
        (["--configfile", tmp_path / "one.yaml", tmp_path / "two.yaml", "--"], 0),
    ):
        command = ["snakemake", "-n", "--quiet", "--nolock", *options]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        said = run.stdout + run.stderr
        assert run.returncode == code, said
        assert said.count("--configfile: must stand once, with all files behind it; got it twice") == code
        assert "Traceback" not in said


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("dataset.images_per_class", "5", 5),
        ("dataset.test_images_per_class", "null", None),
        ("classifier.horizontal_flip", "true", True),
        ("classifier.horizontal_flip", "True", True),
        ("inversion.lr", "0.5", 0.5),
        ("study", "007", "007"),  # may be a text
        ("dataset.images_per_class", "a: b: c", "a: b: c"),  # not YAML
    ],
)
def test_what_the_command_line_gives_as_text_gets_its_type(key, text, value):
    section, _, last = key.rpartition(".")
    config = changed(key, text)
    configuration.give_types(config, {section: {last: text}} if section else {last: text})
    assert config == changed(key, value)
    in_a_file = changed(key, text)
    configuration.give_types(in_a_file, {})
    assert in_a_file == changed(key, text)


@pytest.mark.long
@pytest.mark.parametrize(
    "given", ["classifier={horizontal_flip: true, steps: 2}", 'classifier={"horizontal_flip": true}', "seeds=[7]"]
)
def test_the_real_command_takes_keys_in_braces_and_brackets(given):
    command = ["snakemake", "--dry-run", "--quiet", "all", "--config", given, "--", "results/digits/test.h5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert not done.returncode, done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.parametrize(
    ("given", "patience"), [([], 5), (["--config", "inversion={early_stopping_patience: null}"], None)]
)
def test_the_real_command_takes_null_in_place_of_what_a_file_says(tmp_path, given, patience):
    (tmp_path / "study.yaml").write_text("study: nulls\ninversion: {early_stopping_patience: 5}\n")
    target = "results/nulls/embeddings/zero/0.h5"
    command = ["snakemake", "--dry-run", "--printshellcmds", "--configfile", str(tmp_path / "study.yaml"), *given]
    done = subprocess.run([*command, "--", target], cwd=ROOT, capture_output=True, text=True)
    assert not done.returncode, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "scripts.inversion_invert" in line]
    words = shlex.split(line)
    assert json.loads(words[words.index("--options") + 1])["early_stopping_patience"] == patience


def test_every_key_of_the_default_config_has_a_comment_above_it():
    lines = (ROOT / "config.yaml").read_text().splitlines()
    keys = [n for n, line in enumerate(lines) if ":" in line and not line.strip().startswith(("#", "-"))]
    # settings of a source are said once: of the first source that has them, and by the kinds' own descriptions
    above = [n for n in keys if lines[n].startswith("    ") and lines[n - 1].strip().startswith("#")]
    said = {lines[n].split(":")[0] for n in above}
    silent = [lines[n] for n in keys if not lines[n - 1].strip().startswith("#")]
    assert [line for line in silent if line.split(":")[0] not in {*said, "    kind"}] == []
