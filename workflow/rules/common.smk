# The names of files, which shards there are, and which options a rule sees. Nothing here touches data.
import hashlib
import json
import os
import re
import signal
import sys
from pathlib import Path

import yaml
from snakemake.iocontainers import Wildcards

sys.path.insert(0, f"{workflow.basedir}/workflow")
import warm
from realgap import config as configuration
from realgap import catalog, code_changes, drivers, failures, files, fingerprints, plan, provenance, requests

sys.path.pop(0)

try:
    configuration.give_types(config, workflow.config_settings.config)
    configuration.check(config)
except ValueError as error:
    sys.exit(str(error))

OUT = f"results/{config['study']}"
DATASET = config["dataset"]
CLASSES = configuration.classes(config)
# the step that extracts real images: what draws scenes is code of a study of rendered ones alone
EXTRACT = "scripts.extract_rendered" if DATASET["name"] == "rendered" else "scripts.extract"
# of the loaders it is this study's that counts: another data set is another loader, and changes nothing here
EXTRACT_KEYS = {"realgap.loaders.LOADERS": DATASET["name"]} if EXTRACT == "scripts.extract" else {}
BASE_MODEL = config["base_model"]["path"]
# what the model is, not when its files were written: a checkout or a copy must not invalidate weeks of work
BASE_MODEL_FINGERPRINT = fingerprints.identity(BASE_MODEL, config["base_model"]["revision"])
# a step that can use a GPU asks for one, unless the study says that it computes without
GPU = int(config["compute"]["device"] != "cpu")
GENERATORS = ["stable_diffusion", "diffusion_inversion"]

# each job's log says which code it ran; jobs on a cluster's nodes read this line in their own checkout
os.environ.update(REALGAP_COMMIT=provenance.commit())

# A cluster warns the whole job before it kills it; Snakemake must outlive its step's last checkpoint. (It waits for
# running steps after SIGTERM by itself.)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)

# A step is `python -m scripts.<verb>`; relative, so that two checkouts of the same code agree.
# workflow/warm.py runs the same command in an interpreter that has its imports behind it.
# The shell too waits for a step that was told to stop, which exits with 143 when it has saved its state.
shell.prefix(
    "set -euo pipefail; export PYTHONPATH=workflow; trap : TERM; "
    "trap '[ $? -ne 143 ] || eval ${{REALGAP_HAND_BACK:-:}}' EXIT; "
    'python() {{ if [ -n "${{REALGAP_WARM:-}}" ]; then command python -I workflow/warm.py "$@"; '
    'else command python "$@"; fi; }}; '
)


PLAN = plan.Plan(config)
WORK = {
    "encode_shard": lambda w: PLAN.encode_shard(images_of(w)),
    "invert_shard": lambda w: PLAN.invert_shard(images_of(w)),
    "sample_shard": lambda w: PLAN.sample_shard(images_of(w), w.source),
    "reconstruct_shard": lambda w: PLAN.reconstruct_shard(images_of(w)),
    "train": lambda w: PLAN.train(),
    "evaluate": lambda w: PLAN.evaluate(),
}


def memory_for(step):
    """Of the node, as a function of the attempt; a base model's batches live on the GPU where there is one."""
    weights = PLAN.weights_bytes if GPU and step.endswith("_shard") else None
    return lambda wildcards, attempt: requests.memory_mb(WORK[step](wildcards), attempt, weights)


def minutes_for(step):
    return lambda wildcards, attempt: requests.minutes(WORK[step](wildcards), **config["plan"], attempt=attempt)


def disk_for(step):
    return lambda wildcards: requests.disk_mb(WORK[step](wildcards))


wildcard_constraints:
    class_name="|".join(map(re.escape, CLASSES)),
    shard=r"\d+",
    source="|".join(GENERATORS),
    training_set="|".join(map(re.escape, config["training_sets"])),
    seed=r"\d+",


def shard_count():
    """Shards of one class: a class too big for one job is cut into several."""
    return -(-DATASET["images_per_class"] // DATASET["images_per_shard"])


def span(shard):
    """The numbers (start, stop) of a shard's images within its class."""
    start = int(shard) * DATASET["images_per_shard"]
    return start, min(start + DATASET["images_per_shard"], DATASET["images_per_class"])


def images_of(wildcards):
    """Real images that a job works on; the full-size rules see some of a class's first shard."""
    start, stop = span(wildcards.get("shard", 0))
    return stop - start


def class_shards(pattern, class_names, **wildcards):
    """A file per class and shard; the pattern has {class_name} and {shard}."""
    return expand(pattern, class_name=class_names, shard=range(shard_count()), **wildcards)


def options(*sections, **more):
    """What a step sees of the config, as JSON with sorted keys: their order in the file invalidates nothing."""
    chosen = {key: value for section in sections for key, value in section.items()}
    return json.dumps({**chosen, **more}, sort_keys=True)


def without(section, *keys):
    return {key: value for key, value in section.items() if key not in keys}


def dataset_files():
    """What must be there before images can be extracted; a plan can be made without it."""
    if DATASET["name"] in catalog.ARCHIVES:
        return [ancient(f"{DATASET['root']}/{catalog.ARCHIVES[DATASET['name']].marker}")]
    return [ancient(DATASET["root"])] if DATASET["root"] else []


def extraction_options(split, classes, start, stop, image_size=DATASET["image_size"]):
    return options(
        split=split,
        classes=classes,
        start=start,
        stop=stop,
        dataset=DATASET["name"],
        root=DATASET["root"],
        validation_images_per_class=DATASET["validation_images_per_class"],
        test_images_per_class=None if split == "train" else DATASET["test_images_per_class"],
        image_size=image_size,
        seed=config["seed"],
    )


def embeddings_for(wildcards):
    """Partners and the mean come from the whole class (or data set), never from one shard alone."""
    if wildcards.source != "diffusion_inversion":
        return []
    whole = config["sampling"]["diffusion_inversion"]["unconditional"] == "dataset"
    classes = CLASSES if whole else [wildcards.class_name]
    return class_shards(f"{OUT}/embeddings/{{class_name}}/{{shard}}.h5", classes)


def sampling_options(wildcards, **changes):
    """A source's own settings; prompts know nothing of what embeddings take."""
    neutral = {"unconditional": "prompt", "embedding_noise": 0, "mixing_weight": 0}
    common = {
        "images": None,
        "variants": config["sampling"]["variants"],
        "image_size": DATASET["image_size"],
    }
    return options(
        config["compute"],
        neutral,
        without(config["sampling"][wildcards.source], "templates"),
        {**common, **changes},
        source=wildcards.source,
        class_name=wildcards.class_name,
        batch_size=config["sampling"]["batch_size"],
        resolution=config["base_model"]["resolution"],
        seed=config["seed"],
    )


def full_size(count):
    """What differs for images kept at the base model's resolution; `count` is what their number is called."""
    return {count: config["sampling"]["full_size_per_class"], "image_size": config["base_model"]["resolution"]}


def shards_of(training_set):
    """The image shards of every source of a training set, real ones first."""
    folders = {"real": f"{OUT}/real"}
    shards = []
    for source in configuration.parts(training_set):
        folder = folders.get(source, f"{OUT}/samples/{source}")
        shards += class_shards(f"{folder}/{{class_name}}/{{shard}}.h5", CLASSES)
    return shards


def training_options(wildcards):
    """The classifier's settings; the share of real images only where there are real and generated ones."""
    mixed = len(configuration.parts(wildcards.training_set)) > 1
    share = config["classifier"]["real_share"] if mixed else 1.0
    return options(config["compute"], config["classifier"], real_share=share, seed=int(wildcards.seed))


def full_size_shards(source):
    """The images of a source at the base model's resolution, real ones and vae_only included."""
    if DATASET["image_size"] == config["base_model"]["resolution"]:
        folder = f"{OUT}/real" if source == "real" else f"{OUT}/samples/{source}"
        return class_shards(f"{folder}/{{class_name}}/{{shard}}.h5", CLASSES)
    if not config["sampling"]["full_size_per_class"]:
        return []
    return expand(f"{OUT}/full_size/{source}/{{class_name}}.h5", class_name=CLASSES)


def geometry_shards(source):
    """Images at the base model's resolution where the study keeps them, else those that classifiers see."""
    folder = f"{OUT}/real" if source == "real" else f"{OUT}/samples/{source}"
    return full_size_shards(source) or class_shards(f"{folder}/{{class_name}}/{{shard}}.h5", CLASSES)


def geometry_px():
    """Side in pixels of the images whose geometry is measured."""
    full_size = bool(config["sampling"]["full_size_per_class"])
    return config["base_model"]["resolution"] if full_size else DATASET["image_size"]


SHOWN = [
    source
    for source in ["real", "vae_only", *GENERATORS, *catalog.DEFECTS]
    if any(source in configuration.parts(name) for name in config["training_sets"])
]


def shown_shards(wildcards):
    """The first shard of each class, of each source that some training set uses."""
    folders = [f"{OUT}/real" if source == "real" else f"{OUT}/samples/{source}" for source in SHOWN]
    return [f"{folder}/{name}/0.h5" for folder in folders for name in CLASSES]


# Targets whose steps need no torch.
LIGHT_TARGETS = {"plan", "compare"}

# classes whose images the report shows beside each other
IN_GALLERY = CLASSES[:20]
# what the pages of a study and of several share
REPORT_PARTS = [f"workflow/report/{name}" for name in ("macros.html.j2", "page.css", "page.js")]


def account_options():
    """How many images each stage made or read, and how this study differs from the default one."""
    default = yaml.safe_load(Path(f"{workflow.basedir}/config.yaml").read_text(encoding="utf-8"))
    n = DATASET["images_per_class"] * len(CLASSES)
    of_real = ("extract_shard", "encode_shard", "invert_shard", "reconstruct_shard")
    generated = {f"sample_shard {source}": n * config["sampling"]["variants"] for source in GENERATORS}
    rendered = {f"render_shard {defect}": n for defect in catalog.DEFECTS}
    return options(
        images={**dict.fromkeys(of_real, n), **generated, **rendered},
        n_classes=len(CLASSES),
        settings=configuration.differences(without(config, "studies"), without(default, "studies")),
        seed=config["seed"],
        seeds=config["seeds"],
    )


# where `snakemake compare` puts its page
COMPARED = f"results/comparisons/{'+'.join(config['studies']) or 'none'}"


def comparison_options(wildcards):
    """The studies and what they hold, by digest: as inputs, rules of this study could run one of them again."""
    made = [f"results/{study}/{name}" for study in config["studies"] for name in ("table.csv", "report.html")]
    digests = [files.sha256(file) if Path(file).is_file() else "" for file in made]
    return options(studies=config["studies"], digests=digests)


def of_every_classifier(pattern):
    """A file per training set and seed; the pattern has {training_set} and {seed}."""
    return expand(pattern, training_set=config["training_sets"], seed=config["seeds"])


GENERATED = [source for source in SHOWN if source != "real"]


def image_shards_of(image_set):
    """The image shards of a set; resampled ones are made of the real training images."""
    if image_set == "test":
        return [f"{OUT}/test.h5"]
    folders = {"real": f"{OUT}/real", "resampled": f"{OUT}/real"}
    folder = folders.get(image_set, f"{OUT}/samples/{image_set}")
    return class_shards(f"{folder}/{{class_name}}/{{shard}}.h5", CLASSES)


def feature_network(wildcards):
    """The classifier trained on real images with the first seed, or the weights that the user has put there."""
    if config["features"]["extractor"] == "classifier":
        return f"{OUT}/classifiers/real/seed-{config['seeds'][0]}.safetensors"
    return ancient(config["features"]["weights"])


def shards_of_sets(image_sets):
    """The image shards of several sets, one set after another, equally many of each."""
    return [shard for image_set in image_sets for shard in image_shards_of(image_set)]


def tuning_options(wildcards):
    """The classifier's settings on real images alone, and the cells of the heat map."""
    settings = without(config["transfer"], "enabled")
    return options(
        config["compute"],
        {**config["classifier"], **settings},
        real_share=1.0,
        seed=int(wildcards.seed),
        pretrained=wildcards.pretrained,
    )


def first_shards():
    """The first shard of real images of each class: it says which class has which number."""
    return expand(f"{OUT}/real/{{class_name}}/0.h5", class_name=CLASSES)


# The analyses a study has, in the order of the report; each ends in a rule that writes its section.
SECTIONS = []
# What their other rules leave.
KEPT = []


def section_files():
    return expand(f"{OUT}/sections/{{section}}.json", section=SECTIONS)


def under_table():
    """Every shard, training set, classifier and prediction of the study."""
    sources = {part for name in config["training_sets"] for part in configuration.parts(name)}
    folders = [f"{OUT}/real"] + [f"{OUT}/samples/{source}" for source in sorted(sources - {"real"})]
    if sources & {"vae_only", "diffusion_inversion"}:
        folders.append(f"{OUT}/moments")
    if "diffusion_inversion" in sources:
        folders.append(f"{OUT}/embeddings")
    files = [file for folder in folders for file in class_shards(f"{folder}/{{class_name}}/{{shard}}.h5", CLASSES)]
    files += expand(f"{OUT}/training_sets/{{training_set}}.h5", training_set=config["training_sets"])
    for pattern in (
        f"{OUT}/classifiers/{{name}}/seed-{{seed}}.safetensors",
        f"{OUT}/predictions/{{name}}/seed-{{seed}}.h5",
    ):
        files += expand(pattern, name=config["training_sets"], seed=config["seeds"])
    return [f"{OUT}/test.h5", *files]


def artefacts():
    """Every file that the study leaves."""
    ends = [workflow.get_rule(name) for name in ("tabulate", "plot", "account", "report")]
    ends += [one for one in workflow.rules if any(map(one.is_producer, section_files()))]
    full_size = [file for source in SHOWN for file in full_size_shards(source)]
    # where images are of one size alone these are the shards once more
    return list(dict.fromkeys([*under_table(), *full_size, *KEPT, *(path for one in ends for path in one.output)]))


def filed(text):
    """A file that holds `text` and is named by it: a command line ends at 128 kB, some two thousand paths."""
    path = Path(".snakemake/realgap") / hashlib.sha256(text.encode()).hexdigest()[:16]
    if not path.exists():
        files.write(path, text.encode())
    return str(path)


def listed(paths):
    """Paths for a command line: as they are, or, where there are very many, @ and a file that lists them."""
    if sum(map(len, paths)) < 50_000:
        return list(paths)
    lines = "\n".join(paths)
    return f"@{filed(lines)}"


def verification_plan():
    """Every artefact of the study, its path below the study's folder, and the options its rule gives it now."""
    plan, names = {}, {}
    for path in artefacts():
        producer = next(one for one in workflow.rules if one.is_producer(path))
        made = getattr(producer.params, "options", "null")
        if callable(made):
            made = made(Wildcards(fromdict=producer.get_wildcards(path)))
        name = path.removeprefix(f"{OUT}/")
        plan[name], names[name] = json.loads(made), producer.name
    return json.dumps({"folder": OUT, "options": plan, "rules": names})
