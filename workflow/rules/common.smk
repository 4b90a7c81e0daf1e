# The names of files, which shards there are, and which options a rule sees. Nothing here touches data.
import hashlib
import json
import logging
import os
import re
import signal
import sys
from functools import cache
from pathlib import Path

import yaml
from snakemake.iocontainers import Wildcards

sys.path.insert(0, f"{workflow.basedir}/workflow")
import warm
from realgap import analyses, policy
from realgap.base_model import fingerprints
from realgap.cluster import checks, site, submission
from realgap.code import changes
from realgap.cost import plan, resources, sizes
from realgap.cost.analyses import Analyses
from realgap.data import catalog
from realgap.privacy import card as privacy_card
from realgap.privacy import checks as private_checks
from realgap.run import cards, dry_run, failures, machine, progress, records, takeover
from realgap.selection import controls
from realgap.store import files, naming, provenance
from realgap.study import config as configuration
from realgap.study import counts as counting
from realgap.study import paths, recipes, sources

sys.path.pop(0)

if len([one for one in sys.argv if one.partition("=")[0] in ("--configfile", "--configfiles")]) > 1:
    sys.exit("--configfile: must stand once, with all files behind it; got it twice, and Snakemake drops the first")
try:
    configuration.check_files(workflow.configfiles)
    configuration.give_types(config, workflow.config_settings.config)
    configuration.check(config)
    machine.check()
    if workflow.is_main_process and workflow.resource_settings.nodes is not None:
        site.apply(workflow.resource_settings)
except ValueError as error:
    sys.exit(str(error))

GIVEN = dict(config)
config.update(recipes.crossed(config))
OUT = f"results/{config['study']}"
# a user's own data set, of which an inventory is taken
OWN = config["dataset"]["name"] in catalog.OWN


include: "own_images.smk"


# what the study leaves open follows from its other settings, and from its images
config.update(sizes.settled(config))
try:
    config.update(counting.settled(config, counted_images()))
    if counting.is_open(GIVEN):
        configuration.check_counts(config)
except (ValueError, OSError) as error:
    refuse(error)


def offer_cards():
    """Count the cards of this machine, give each job of this run one of its own, and say whether a job gets one."""
    asked = workflow.global_resources.get("gpu").value
    try:
        found = cards.there()
    except OSError as error:
        sys.exit(f"error: {error}; a run without: --config compute='{{device: cpu}}'")
    # a study that insists on a GPU finds out in its first step which driver or card is missing
    jobs = asked if asked is not None else len(found) or int(config["compute"]["device"] == "cuda")
    workflow.register_resource("gpu", jobs)
    cards.offer(found, jobs)
    return int(jobs > 0)


def samples_per_image(source):
    """Images that a source makes of each real one."""
    return SOURCES[source].samples_per_image(config["sampling"]["samples_per_image"])


def counted_by_real(source):
    """Whether its images are so many of each real one: a folder holds what it holds."""
    return SOURCES[source].kind != "folder"


def wants_lines(candidates):
    """Whether some selection from this source looks at geometry."""
    chosen = [one for one in SOURCES.values() if one.kind == "selection" and one.settings["of"] == candidates]
    return any("geometry" in one.settings["criteria"] for one in chosen)


def made_by(rule):
    """Names of the study's sources whose shards a rule makes, as a pattern for a wildcard."""
    names = [name for name, source in SOURCES.items() if source.rule == rule]
    return "|".join(names) or "none"


class Classes(dict):
    """The folder of a class -> its name. Another folder is one that was asked for by hand: no rule's pattern knows names."""

    def __missing__(self, folder):
        some = ", ".join([*self][:10]) + (", ..." if len(self) > 10 else "")
        # by Snakemake's own logger, so that nothing is said of a graph that is half made (run.smk)
        said = f"error: target: the folder of a class must be one of {some}; got {folder!r}"
        logging.getLogger("snakemake.logging").error(said)
        sys.exit(1)


DATASET = config["dataset"]
CLASSES = DATASET["classes"]
# real images that are trained on
PER_CLASS = counting.per_class(config)
# whether an encoder predicts embeddings
AMORTISED = config["inversion"]["encoder_steps"] is not None
# what the files of each class are called
FOLDERS = {name: naming.folder(name) for name in CLASSES}
CLASS_OF = Classes({folder: name for name, folder in FOLDERS.items()})
# the number of each class, in every file of the study
LABELS = {name: catalog.label(DATASET["name"], name) for name in CLASSES}
# the step that extracts real images: what draws scenes is code of a study of rendered ones alone
EXTRACT = "scripts.data_extract_own" if OWN else "scripts.data_extract"
EXTRACT = "scripts.data_extract_rendered" if DATASET["name"] == "rendered" else EXTRACT
# of the loaders it is this study's that counts: another data set is another loader, and changes nothing here
EXTRACT_KEYS = {"realgap.data.loaders.LOADERS": DATASET["name"]} if EXTRACT == "scripts.data_extract" else {}
READER_KEYS = {f"realgap.data.readers.registry.{table}": DATASET["name"] for table in ("TAKE", "PICTURES")}
EXTRACT_KEYS = READER_KEYS if OWN else EXTRACT_KEYS
# no input of a rule: it may be fetched first (fetching.smk), or stand elsewhere tomorrow
BASE_MODEL = config["base_model"]["path"]
# what the model is, not when its files were written: a checkout or a copy must not invalidate weeks of work
BASE_MODEL_FINGERPRINT = fingerprints.identity(BASE_MODEL, config["base_model"]["revision"])
PROMPTS = files.sha256(config["prompts"]["templates"])[:16]
# A step that can use a GPU asks for one, unless the study says that it computes without. On this machine so many jobs have
# one as there are cards (--resources gpu=N: others), and where there are none, steps ask for none.
GPU = int(config["compute"]["device"] != "cpu")
if GPU and workflow.is_main_process and workflow.resource_settings.nodes is None:
    GPU = offer_cards()
# inversion draws noise ahead in a second thread while a card is at work; what it computes itself stays with the others
DRAWING = 1 + GPU
# so that many cores do not start what the memory does not hold; a step that asks for more than there is runs alone
if workflow.is_main_process and workflow.resource_settings.nodes is None:
    if workflow.global_resources.get("mem_mb").value is None:
        workflow.register_resource("mem_mb", machine.memory_mb())
# the sources of the study by name, and those that some training set holds, real images first
SOURCES = sources.of(config)
SHOWN = [sources.REAL, *sources.used(config)]
GENERATED = SHOWN[1:]
# those that make as many images of each real one as `sampling` says
GENERATORS = [name for name in GENERATED if SOURCES[name].samples_per_image(0) == 0]

# each job's log says which code it ran; jobs on a cluster's nodes read this line in their own checkout
os.environ.update(REALGAP_COMMIT=provenance.commit())
# How large new files are. Steps read it and rules do not remember it, as a change of it must not run a costly step again.
os.environ.update(REALGAP_STORE=json.dumps(config["store"], sort_keys=True))
# a shared cache holds what a study computes, not what is left of it in half precision
SHARED = all(config["store"][kind] == "float32" for kind in ("embeddings", "moments"))

# A cluster warns the whole job before it kills it; Snakemake must outlive its step's last checkpoint. (It waits for
# running steps after SIGTERM by itself.)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
# a terminal that closes asks for the same; under nohup it asks for nothing
if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))

# A step is `python -m scripts.<topic>_<verb>`; relative, so that two checkouts of the same code agree.
# workflow/warm.py runs the same command in an interpreter that has its imports behind it.
# Steps measure themselves (--benchmark): Snakemake would measure the client that waits for that interpreter.
# The shell too waits for a step that was told to stop, which exits with 143 when it has saved its state.
shell.prefix(
    "set -euo pipefail; export PYTHONPATH=workflow; trap : TERM HUP; "
    "trap '[ $? -ne 143 ] || eval ${{REALGAP_HAND_BACK:-:}}' EXIT; "
    'python() {{ if [ -n "${{REALGAP_WARM:-}}" ]; then command python -I workflow/warm.py "$@"; '
    'else command python "$@"; fi; }}; '
)


PLAN = plan.Plan(config, sum(own_tested().values()) if OWN else None)
MEASURING = Analyses(PLAN, ["resampled", *GENERATED])
# What a job of each kind does, for what it asks for and for `snakemake plan`; it is said beside the rule, by `counts`.
WORK = {}


def counts(rule, work):
    """Declare the work of a rule's jobs: work(wildcards) -> realgap.cost.plan.Work, or None where it is not counted."""
    WORK[rule] = work


def memory_for(step, on_gpu=0):
    """Of the node, as a function of the attempt; what a batch takes lives on the GPU where the step has one."""
    return lambda wildcards, attempt: resources.memory_mb(WORK[step](wildcards), attempt, bool(on_gpu))


def minutes_for(step):
    return lambda wildcards, attempt: resources.minutes(WORK[step](wildcards), **config["plan"], attempt=attempt)


def longest_minutes(step):
    """What the longest job of a step asks for at first, with any source, training set and class."""
    own = [name for name in GENERATED if SOURCES[name].rule == step.replace("_full_size", "_shard")]
    largest = max(CLASSES, key=PER_CLASS.get)
    cases = [
        Wildcards(
            fromdict={"class_name": FOLDERS[largest], "shard": "0", "source": source, "training_set": training_set}
        )
        for source in own or GENERATED[:1]
        for training_set in config["training_sets"]
    ]
    return max((resources.minutes(WORK[step](case), **config["plan"]) for case in cases if WORK.get(step)), default=0)


def disk_for(step):
    return lambda wildcards: resources.disk_mb(WORK[step](wildcards))


wildcard_constraints:
    # not by name: each pattern of a file holds its constraints, and Snakemake reads it again for every file of every job
    class_name=r"[^/]+",
    shard=r"\d+",
    source="|".join(SOURCES),
    training_set="|".join(map(re.escape, config["training_sets"])),
    seed=r"\d+",


def shard_count(class_name):
    """Shards of a class: one too big for one job is cut into several."""
    return -(-PER_CLASS[class_name] // DATASET["images_per_shard"])


def span(wildcards):
    """The numbers (start, stop) of a shard's images within its class."""
    start = int(wildcards.get("shard", 0)) * DATASET["images_per_shard"]
    return start, min(start + DATASET["images_per_shard"], PER_CLASS[CLASS_OF[wildcards.class_name]])


def images_of(wildcards):
    """Real images that a job works on; the full-size rules see some of a class's first shard."""
    start, stop = span(wildcards)
    return stop - start


def made_of(wildcards):
    """Images that a source makes of a shard's real ones."""
    if SOURCES[wildcards.source].one_each:
        return images_of(wildcards)
    own = SOURCES[wildcards.source].own_samples
    each, more = counting.variants(config, CLASS_OF[wildcards.class_name], *span(wildcards), own)
    return each * images_of(wildcards) + more


def class_shards(pattern, class_names, **wildcards):
    """A file per class and shard; the pattern has {class_name} and {shard}."""
    return [
        file
        for name in class_names
        for file in expand(pattern, class_name=FOLDERS[name], shard=range(shard_count(name)), **wildcards)
    ]


def class_files(pattern, class_names=CLASSES, **wildcards):
    """A file per class; the pattern has {class_name}."""
    return expand(pattern, class_name=[FOLDERS[name] for name in class_names], **wildcards)


def words_of(wildcards):
    """What prompts call the class of a job."""
    name = CLASS_OF[wildcards.class_name]
    return config["prompts"]["words"].get(name, name)


def options(*sections, **more):
    """What a step sees of the config, as JSON with sorted keys: their order in the file invalidates nothing."""
    chosen = {key: value for section in sections for key, value in section.items()}
    return json.dumps({**chosen, **more}, sort_keys=True)


def without(section, *keys):
    return {key: value for key, value in section.items() if key not in keys}


# of images that are inverted one by one; amortised.smk has the settings of an encoder
INVERSION = without(config["inversion"], "encoder_steps", "refining_steps")


def no_files(wildcards):
    """Real images are no inputs: which ones a step reads is said by their digest among its options.

    Every graph has real images, and asks for them after the profile is read and before it is cut.
    """
    if workflow.is_main_process:
        fit_groups()
    return []


def data_set(wildcards, input):
    """Where a step finds the data set, and what a user's own holds. It takes `input`, so that Snakemake does not remember
    it: data may be moved, and which images a step reads is said by their digest among its options.
    """
    where = ["--root", DATASET["root"]] if DATASET["root"] else []
    return [*where, *(["--inventory", own_inventory()] if OWN else [])]


# Where a step finds what it reads; likewise not remembered. What it reads is said by BASE_MODEL_FINGERPRINT and PROMPTS.
def base_model(wildcards, input):
    return BASE_MODEL


# Threads that a step computes with: of those it is given, one draws where a card is at work.
def computing(wildcards, input, threads):
    return max(1, threads - GPU)


def templates(wildcards, input):
    return config["prompts"]["templates"]


def detector(wildcards, input):
    return config["geometry"]["detector"]


if workflow.is_main_process:
    check_images()


def reading_options():
    """How the user's files are read, where the study says so: another key would run all other studies again."""
    own = {key: DATASET[key] for key in ("value_range", "background") if DATASET[key] is not None}
    return own | ({"fit": DATASET["fit"]} if DATASET["fit"] != "crop" else {})


def extraction_options(split, classes, start, stop, image_size=DATASET["image_size"]):
    """Of a published data set its split and order; of a user's own the digest of the images, whatever they are called."""
    common = dict(
        split=split,
        # by name, not in the config's order
        classes={name: LABELS[name] for name in sorted(classes)},
        start=start,
        stop=stop,
        dataset=DATASET["name"],
        validation_images_per_class=DATASET["validation_images_per_class"],
        test_images_per_class=None if split == "train" else DATASET["test_images_per_class"],
        image_size=image_size,
        seed=config["seed"],
        **reading_options(),
    )
    if not OWN:
        return options(common)
    trains, validation = split == "train", DATASET["validation_images_per_class"]
    return options(
        common,
        # which images train depends on whether there are others to validate on, not on how many
        validation_images_per_class=min(validation, 1) if trains else validation,
        test_share=DATASET["test_share"],
        keep_repeats=not trains and DATASET["keep_repeats"],
        near_repeat=1 if split != "test" else DATASET["near_repeat"],
        images=own_parts().digest(split, sorted(classes), start, stop),
    )


def embeddings_for(wildcards):
    """Partners and the mean come from the whole class (or data set), never from one shard alone."""
    source = SOURCES[wildcards.source]
    classes = CLASSES if source.settings.get("unconditional") == "dataset" else [CLASS_OF[wildcards.class_name]]
    if source.conditioning == "inversion":
        return class_shards(f"{OUT}/embeddings/{{class_name}}/{{shard}}.h5", classes)
    if source.conditioning == "class_inversion":
        return class_files(f"{OUT}/class_embeddings/{{class_name}}.h5", classes)
    return []


def latents_for(wildcards):
    """The moments of the real images that some sources begin at."""
    begins = SOURCES[wildcards.source].begins_at_latents
    return f"{OUT}/moments/{wildcards.class_name}/{wildcards.get('shard', 0)}.h5" if begins else []


def sampled_class(wildcards, source):
    if wildcards.class_name is None:  # of all classes
        return None
    return words_of(wildcards) if source.conditioning == "prompts" else CLASS_OF[wildcards.class_name]


def samples_of(wildcards):
    """How many samples of each image; that some get one more is said where it is so."""
    if wildcards.class_name is None:
        return {"samples_per_image": samples_per_image(wildcards.source)}
    own = SOURCES[wildcards.source].own_samples
    each, more = counting.variants(config, CLASS_OF[wildcards.class_name], *span(wildcards), own)
    return {"samples_per_image": each, **({"one_more": more} if more else {})}


def sampling_options(wildcards, **changes):
    """A source's own settings; one knows nothing of what another kind takes."""
    source = SOURCES[wildcards.source]
    common = {
        "images": None,
        **samples_of(wildcards),
        "image_size": DATASET["image_size"],
    }
    return options(
        config["compute"],
        sources.NEUTRAL,
        source.settings,
        {**common, **changes},
        source=source.name,
        conditioning=source.conditioning,
        # its words where they are used: another word for a class is no other inversion
        class_name=sampled_class(wildcards, source),
        batch_size=config["sampling"]["batch_size"],
        resolution=config["base_model"]["resolution"],
        seed=config["seed"],
    )


def full_size(count):
    """What differs for images kept at the base model's resolution; `count` is what their number is called."""
    return {count: config["sampling"]["full_size_per_class"], "image_size": config["base_model"]["resolution"]}


def full_size_images():
    """Images of a class and source that are kept at the base model's resolution."""
    return config["sampling"]["full_size_per_class"]


def source_shards(source):
    """The image shards of a source, real images among them."""
    return class_shards(f"{OUT}/{sources.folder(source)}/{{class_name}}/{{shard}}.h5", CLASSES)


def shards_of(training_set):
    """The image shards of every source of a training set, real ones first."""
    return [shard for source in sources.parts_of(training_set) for shard in source_shards(source)]


@cache
def start_of(architecture, weights, input_size):
    """Of weights what they hold, what a network expects of images, and the file; of torchvision's as it will be."""
    from realgap.classifier import pretrained  # torch

    given = {"expects": pretrained.expects(architecture, weights, input_size)}
    if weights is None:
        return given, []
    if pretrained.is_file(weights):
        return given | {"weights": fingerprints.of_weights(weights)}, [weights]
    known = pretrained.published(architecture, weights)
    return given | {"weights": fingerprints.of_published(known.path, known.sha256)}, [str(known.path)]


def start(own):
    """The same of settings of a classifier; where they say nothing of it, nothing."""
    given = [own[key] for key in ("architecture", "weights", "input_size")]
    return start_of(*given) if given[1:] != [None, None] else ({}, [])


def published_weights():
    """(address, path, first digits of the SHA-256) of each file that torchvision has by name and some row begins at."""
    rows = [recipes.classifier(config, name) for name in config["training_sets"]]
    named = {(own["architecture"], own["weights"]) for own in rows if own["weights"]}
    if not named:
        return []
    from realgap.classifier import pretrained  # torch

    found = [pretrained.published(*one) for one in sorted(named) if not pretrained.is_file(one[1])]
    return [(one.url, str(one.path), one.sha256) for one in dict.fromkeys(found)]


def classifier_options(own):
    """Settings of a classifier as its steps see them; what is not said is left out, and runs nothing again."""
    said = {key: own[key] for key in ("backbone_lr",) if own[key] is not None}
    return without(own, "weights", "input_size", "backbone_lr", "resident_mb") | said | start(own)[0]


def begins_at(wildcards, input):
    """The file of weights that a row's classifier begins at; likewise not remembered, what it holds is in its options."""
    return start(recipes.classifier(config, wildcards.get("training_set", sources.REAL)))[1]


def training_options(wildcards):
    """The classifier's settings; the share of real images only where there are real and generated ones."""
    own = classifier_options(recipes.classifier(config, wildcards.training_set))
    mixed = len(sources.parts_of(wildcards.training_set)) > 1
    real = recipes.real_of(config, wildcards.training_set)
    said = {} if real == sources.REAL else {"reference": real}
    own |= {"real_share": own["real_share"] if mixed else 1.0, "seed": int(wildcards.seed)}
    return options(config["compute"], own, said)


def row_options(wildcards):
    """Of a row's own classifier, whose training set may be more than memory holds; other trainings hold theirs."""
    said = {"on_disk": True} if PLAN.on_disk(wildcards.training_set) else {}
    return options(json.loads(training_options(wildcards)), said)


def judge_options(wildcards):
    """As the classifier of row real is trained, with the study's seed."""
    own = classifier_options(recipes.classifier(config, sources.REAL))
    whose = {"folds": config["selection"]["folds"], "fold": int(wildcards.fold)}
    return options(config["compute"], own, whose, real_share=1.0, seed=config["seed"])


def scoring_options(candidates):
    saliency = {key: config["saliency"][key] for key in ("layer", "method", "batch_size")}
    return options(config["compute"], saliency, source=candidates, geometry=wants_lines(candidates))


def choosing_options(wildcards):
    own = without(SOURCES[wildcards.source].settings, "samples_per_image")
    how = without(config["selection"], "folds")
    said = {"per_image": samples_per_image(wildcards.source)} if SOURCES[wildcards.source].chooses_real else {}
    return options(own, how, said, source=wildcards.source, seed=config["seed"])


def candidates_of(wildcards, source=None):
    """A shard of images that are scored, or chosen among."""
    source = source or wildcards.source
    return f"{OUT}/{sources.folder(source)}/{wildcards.class_name}/{wildcards.shard}.h5"


def pool_of(wildcards):
    """All real images of a class, where it is these that are chosen among."""
    if not SOURCES[wildcards.source].chooses_real:
        return []
    return class_shards(f"{OUT}/real/{{class_name}}/{{shard}}.h5", [CLASS_OF[wildcards.class_name]])


def policy_of(wildcards):
    """The settings of a source of kind policy."""
    return SOURCES[wildcards.source].settings


def policy_options(wildcards):
    """As the rows of real and generated images are trained."""
    own, number = policy_of(wildcards), int(wildcards.round)
    how = classifier_options(recipes.classifier(config, sources.REAL))
    whose = {"options": own["among"], "round": number, "classifiers": own["classifiers"]}
    return options(config["compute"], how, whose, seed=config["seed"])


def policy_work(wildcards):
    """One classifier after another, on real images and as many generated ones as one of the options makes."""
    own = policy_of(wildcards)
    if "among" not in own:  # a study without a policy: a profile's groups are sized for all rules
        return PLAN.train(sources.REAL)
    trained = policy.judged(len(own["among"]), int(wildcards.round)) * own["classifiers"]
    return PLAN.train(f"{sources.REAL}+{own['among'][0]}").times(trained)


def selection_controls():
    """Of each row that holds a selection its controls, those that are rows too."""
    rows = config["training_sets"]
    found = {"picked": controls.picked(config, rows), "all": controls.all_candidates(config, rows)}
    return {
        row: {control: of[row] for control, of in found.items() if row in of}
        for row in rows
        if any(row in of for of in found.values())
    }


def sampled_for(source):
    """Images that are sampled for what a source makes of each real one, its candidates included."""
    if source == sources.REAL or SOURCES[source].chooses_real:
        return 0
    return sum(map(samples_per_image, chosen_from(source) or [source]))


def chosen_from(source):
    """The generated sources whose images a selection or a policy takes; none of a source that makes its own."""
    own = SOURCES[source].settings
    taken = {"selection": [own.get("of")], "policy": own.get("among")}.get(SOURCES[source].kind, [])
    return [one for one in taken if one != sources.REAL]


# the rules whose sources are also kept at the base model's resolution
FULL_SIZE = ("sample_shard", "reconstruct_shard")


def full_size_shards(source):
    """The images of a source at the base model's resolution; none where a study keeps none or they are not made there."""
    if DATASET["image_size"] == config["base_model"]["resolution"]:
        return source_shards(source)
    kept = config["sampling"]["full_size_per_class"]
    made_small = source != sources.REAL and SOURCES[source].rule not in FULL_SIZE
    if not kept or made_small:
        return []
    return class_files(f"{OUT}/full_size/{source}/{{class_name}}.h5")


def shown_shards(wildcards):
    """The first shard of each class, of each source that some training set uses."""
    return [f"{OUT}/{sources.folder(source)}/{FOLDERS[name]}/0.h5" for source in SHOWN for name in CLASSES]


# Keys that are for one target alone, and say nothing of a study.
OF_TARGETS = ("studies", "images", "name")
# Targets whose steps need no torch.
LIGHT_TARGETS = {"plan", "status", "site", "new_study", "compare", "adopt"}
LIGHT_TARGETS |= {"fetch_dataset", "fetch_base_model", "fetch_weights"}


def only_asks():
    """Whether this run makes nothing: it may stand beside another and leaves it alone. Asked before targets are known."""
    return not {"plan", "status"}.isdisjoint(sys.argv[1:])


# classes whose images the report shows beside each other
IN_GALLERY = CLASSES[:20]
# what the pages of a study and of several share
REPORT_PARTS = [f"workflow/report/{name}" for name in ("macros.html.j2", "page.css", "page.js")]


def rules_before(source):
    """The rules that work on real images before a source's own does."""
    after = SOURCES[source].after
    if not AMORTISED or "invert_shard" not in after:
        return after
    return (*(rule for rule in after if rule != "invert_shard"), "teach_encoder", "predict_shard")


def account_options():
    """How many images each stage made or read, and how this study differs from the default one."""
    default = yaml.safe_load(Path(f"{workflow.basedir}/config.yaml").read_text(encoding="utf-8"))
    # stages of a source: the rules before its own, and its own, which is cut by source in the tables of cost
    made = list(dict.fromkeys(one for name in GENERATED for one in [*chosen_from(name), name]))
    stages = {name: [*rules_before(name), f"{SOURCES[name].rule} {name}"] for name in made}
    stages |= {name: [*(stage for one in chosen_from(name) for stage in stages[one]), *stages[name]] for name in made}
    n = PLAN.real
    images = {"extract_shard": n, **dict.fromkeys((rule for name in made for rule in rules_before(name)), n)}
    return options(
        images=images | {stages[name][-1]: PLAN.images(name) for name in made if counted_by_real(name)},
        stages=stages,
        settings=configuration.differences(without(GIVEN, *OF_TARGETS), without(default, *OF_TARGETS)),
        config=without(config, *OF_TARGETS),
        seed=config["seed"],
        seeds=config["seeds"],
    )


# where `snakemake compare` puts its page
COMPARED = f"results/comparisons/{'+'.join(config['studies']) or 'none'}"


def comparison_options(wildcards):
    """The studies and what they hold, by digest: as inputs, rules of this study could run one of them again."""
    held = ("verdicts.csv", "report.html", "accuracies.csv", "run/config.yaml")
    made = [paths.of_study(study) / name for study in config["studies"] for name in held]
    digests = [files.sha256(file) if file.is_file() else "" for file in made]
    return options(studies=config["studies"], digests=digests)


def of_every_classifier(pattern):
    """A file per training set and seed; the pattern has {training_set} and {seed}."""
    return expand(pattern, training_set=config["training_sets"], seed=config["seeds"])


def of_own_classifier(pattern):
    """The same of the rows of the study's own classifier: those of others are compared with their own real images."""
    return expand(pattern, training_set=recipes.of_own_classifier(config), seed=config["seeds"])


def image_shards_of(image_set):
    """The image shards of a set; resampled ones are made of the real training images."""
    if image_set == "test":
        return [f"{OUT}/test.h5"]
    return source_shards(sources.REAL if image_set == "resampled" else image_set)


def feature_network(wildcards):
    """The classifier of real images alone with the first seed, unless the user has put other weights somewhere."""
    own = config["features"]["extractor"] == "classifier"
    row = recipes.describing(config)
    return f"{OUT}/classifiers/{row}/seed-{config['seeds'][0]}.safetensors" if own else []


@cache
def feature_options():
    """Of weights that the user has put there their content: neither their place nor their time counts."""
    weights = config["features"]["weights"]
    content = {"weights": fingerprints.of_weights(weights)} if weights else {}
    return without(config["features"], "weights") | content


def shards_of_sets(image_sets):
    """The image shards of several sets, one set after another, equally many of each."""
    return [shard for image_set in image_sets for shard in image_shards_of(image_set)]


def under_table():
    """Every shard, training set, classifier and prediction of the study."""
    files = [shard for source in SHOWN for shard in source_shards(source)]
    before = {rule for source in GENERATED for rule in SOURCES[source].after}
    for step, folder in {"encode_shard": "moments", "invert_shard": "embeddings"}.items():
        if step in before:
            files += class_shards(f"{OUT}/{folder}/{{class_name}}/{{shard}}.h5", CLASSES)
    if AMORTISED and "invert_shard" in before:
        files.append(f"{OUT}/encoder.h5")
    if "invert_class" in before:
        files += class_files(f"{OUT}/class_embeddings/{{class_name}}.h5")
    files += [f"{OUT}/releases/{source}.h5" for source in GENERATED if "release_source" in SOURCES[source].after]
    files += expand(f"{OUT}/training_sets/{{training_set}}.h5", training_set=config["training_sets"])
    for pattern in (
        f"{OUT}/classifiers/{{name}}/seed-{{seed}}.safetensors",
        f"{OUT}/predictions/{{name}}/seed-{{seed}}.h5",
    ):
        files += expand(pattern, name=config["training_sets"], seed=config["seeds"])
    return [f"{OUT}/test.h5", *files, *([f"{OUT}/inventory.csv"] if OWN else [])]


def artefacts():
    """Every file that the study leaves."""
    ends = [workflow.get_rule(name) for name in ("tabulate", "plot", "account", "report")]
    full_size = [file for source in SHOWN for file in full_size_shards(source)]
    # where images are of one size alone these are the shards once more
    return list(
        dict.fromkeys([*under_table(), *full_size, *of_analyses(), *(path for one in ends for path in one.output)])
    )


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
    """Every artefact of the study, its path below the study's folder, and what the graph says of it."""
    graph = {}
    for path in artefacts():
        producer = next(one for one in workflow.rules if one.is_producer(path))
        wildcards = Wildcards(fromdict=producer.get_wildcards(path))
        made = getattr(producer.params, "options", "null")
        given = producer.expand_input(wildcards)[0]
        # of inputs by the names that rules give them, those of this study
        inputs = {name: [given[name]] if isinstance(given[name], str) else list(given[name]) for name in given.keys()}
        graph[path.removeprefix(f"{OUT}/")] = {
            "rule": producer.name,
            "options": json.loads(made(wildcards) if callable(made) else made),
            "inputs": {
                name: [str(one).removeprefix(f"{OUT}/") for one in paths]
                for name, paths in inputs.items()
                if paths and all(str(one).startswith(f"{OUT}/") for one in paths)
            },
        }
    return json.dumps({"folder": OUT, "graph": graph})


def claimed(source):
    """What may be claimed of the privacy of the real images, of a source's images."""
    privacy = config["privacy"]
    kind, settings = ("real", {}) if source == sources.REAL else (SOURCES[source].kind, SOURCES[source].settings)
    return privacy_card.of_samples(kind, settings, privacy["delta"], privacy["neighbours"])


def export_options():
    """What an export is of, and what its card says."""
    own, chosen = config["export"], sources.parts_of(config["export"]["of"])
    known = {"real": {}, **{name: {"kind": one.kind, **one.settings} for name, one in SOURCES.items()}}
    made = {"sources": {name: known[name] for name in chosen}}
    made |= {key: config[key] for key in ("seed", "dataset", "base_model", "inversion", "prompts", "sampling")}
    return options(
        title=f"{config['study']}: {' + '.join(chosen)}",
        study=config["study"],
        layout=own["layout"],
        encoding=own["encoding"],
        classes=LABELS,
        sources=sources.descriptions(config, chosen),
        claims={name: claimed(name) for name in chosen},
        settings=made,
        base_model=config["base_model"]["hub"] or os.path.basename(BASE_MODEL),
    )


def geometry_shards(source):
    """Images at the base model's resolution where the study keeps them, else those that classifiers see."""
    return full_size_shards(source) or source_shards(source)


def geometry_px():
    """Side in pixels of the images whose geometry is measured."""
    full_size = bool(config["sampling"]["full_size_per_class"])
    return config["base_model"]["resolution"] if full_size else DATASET["image_size"]
