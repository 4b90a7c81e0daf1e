# What is released of the real images, what its steps see of the config, and what may leave.

# Of all studies: the ledgers, and the secret that noise is made of. Neither is ever bundled.
LEDGERS = "results/privacy"
# rules that read nothing but what they are given: what they make of a release may leave as the release may
POST_PROCESSING = ("sample_release_shard", "assemble", "train")
# settings of a source that are of its release, not of its samples
OF_RELEASE = ("epsilon", "clip", "basis", "directions", "spread")


def public_embeddings(source):
    """Embeddings of public images that span the directions of a release."""
    basis = SOURCES[source].settings["basis"]
    return [] if basis is None else sorted(map(str, Path(basis).glob("*/*.h5")))


def mechanism_options(source):
    """What is public of a release's mechanism."""
    own, privacy = SOURCES[source].settings, config["privacy"]
    return {
        "epsilon": own["epsilon"],
        "clip": own["clip"],
        "directions": own["directions"] if own["basis"] else None,
        "spread": own["spread"],
        "count": DATASET["images_per_class"],
        "delta": privacy["delta"],
        "neighbours": privacy["neighbours"],
    }


@cache
def release_plan(source):
    """Digest of all that is public of a release. Images are not: a digest of them would be released with it."""
    said = options(
        mechanism_options(source),
        basis=[files.sha256(one) for one in public_embeddings(source)],
        dataset=without(DATASET, "root", "images_per_shard"),
        inversion=without(config["inversion"], "batch_size"),
        base_model=[BASE_MODEL_FINGERPRINT, config["base_model"]["resolution"]],
        prompts=[PROMPTS, config["prompts"]["words"]],
        precision=config["compute"]["precision"],
        seed=config["seed"],
    )
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def release_options(wildcards):
    return options(
        config["compute"],
        mechanism_options(wildcards.source),
        device="cpu",
        study=config["study"],
        source=wildcards.source,
        classes=LABELS,
        words={name: config["prompts"]["words"].get(name, name) for name in CLASSES},
        num_tokens=config["inversion"]["num_tokens"],
        budget=config["privacy"]["epsilon"],
        plan=release_plan(wildcards.source),
    )


def release_sampling_options(wildcards):
    """Like other sampled sources; how many images there are is what the study says."""
    label = LABELS[CLASS_OF[wildcards.class_name]]
    drawn = json.loads(release_draws(wildcards.source))
    whose = {"class_name": CLASS_OF[wildcards.class_name], "label": label, "images": images_of(wildcards)}
    return options(drawn, samples_of(wildcards), whose, first=span(wildcards)[0])


def release_draws(source):
    """How samples of a release are drawn, of whatever class."""
    source, neutral = SOURCES[source], {**sources.NEUTRAL, "one_more": 0}
    return options(
        config["compute"],
        neutral,
        without(source.settings, *OF_RELEASE),
        source=source.name,
        conditioning=source.conditioning,
        class_name=None,
        images=None,
        samples_per_image=samples_per_image(source.name),
        image_size=DATASET["image_size"],
        batch_size=config["sampling"]["batch_size"],
        resolution=config["base_model"]["resolution"],
        seed=config["seed"],
    )


@cache
def released_of():
    """Names of the images that releases are of, for their ledger: of a user's own each, of others the whole data set."""
    if not OWN:
        return (DATASET["name"],)
    chosen = own_parts().chosen("train", CLASSES, 0, DATASET["images_per_class"])
    return tuple(sorted({f"{image.content:x}" for image in chosen}))


def check_releases():
    """Before any job: that the base model has not seen the images, and that the budget allows what is planned."""
    from realgap.privacy import accounting, ledger  # scipy, for those who need it

    delta = config["privacy"]["delta"]
    planned = [
        ledger.Release(
            release_plan(name), config["study"], name, accounting.multiplier(SOURCES[name].settings["epsilon"], delta)
        )
        for name in private_checks.released(config)
        if SOURCES[name].settings["epsilon"] is not None
    ]
    if not planned:
        return
    private_checks.check_base_model(config, BASE_MODEL_FINGERPRINT)
    budget = ledger.Ledger(config["privacy"]["epsilon"], delta, config["privacy"]["neighbours"], images=released_of())
    ledger.with_planned(LEDGERS, budget, planned)


@cache
def way_from_real(path):
    """The files from real images to this one where none of them is a release with noise; () where there is no such way.

    What a step reads besides its inputs no graph shows. So one that is not among POST_PROCESSING counts as one that has
    seen real images.
    """
    producer = next((one for one in workflow.rules if one.is_producer(path)), None)
    if producer is None or producer.name not in ("release_source", *POST_PROCESSING):
        return (path,)
    wildcards = Wildcards(fromdict=producer.get_wildcards(path))
    if producer.name == "release_source":
        return () if SOURCES[wildcards.source].settings["epsilon"] is not None else (path,)
    ways = map(way_from_real, map(str, producer.expand_input(wildcards)[0]))
    return next(((*way, path) for way in ways if way), ())


def classifiers_of(row):
    return expand(f"{OUT}/classifiers/{row}/seed-{{seed}}.safetensors", seed=config["seeds"])


def rows_that_leave():
    """Those that the study names, or all that may."""
    if (rows := config["privacy"]["release"]) is not None:
        return rows
    return [row for row in config["training_sets"] if not any(map(way_from_real, classifiers_of(row)))]


def weights_of_bundled():
    """Published or other weights that classifiers which leave began at."""
    begun = {recipes.classifier(config, row)["weights"] for row in rows_that_leave()}
    return sorted(begun - {None})


def bundled(wildcards):
    """What may leave: releases, samples of them, classifiers that have seen these alone. Anything else ends the run."""
    rows = rows_that_leave()
    if not rows:
        sys.exit(
            "config: training_sets: must have a row of released sources alone, of kind dp_inversion and with an epsilon; "
            "nothing of this study may leave"
        )
    if unknown := [row for row in rows if row not in config["training_sets"]]:
        sys.exit(f"config: privacy.release: must name rows of training_sets; got {unknown[0]!r}")
    for row in rows:
        for path in classifiers_of(row):
            if way := way_from_real(path):
                said = " -> ".join(one.removeprefix(f"{OUT}/") for one in way)
                sys.exit(
                    f"config: privacy.release: must name rows of released sources alone; {row} may not leave: {said}"
                )
    parts = dict.fromkeys(part for row in rows for part in sources.parts_of(row))
    return {
        "releases": [f"{OUT}/releases/{part}.h5" for part in parts],
        "samples": [shard for part in parts for shard in source_shards(part)],
        "classifiers": [path for row in rows for path in classifiers_of(row)],
    }


if workflow.is_main_process and private_checks.released(config):
    try:
        check_releases()
    except (ValueError, OSError) as error:
        sys.exit(str(error))
