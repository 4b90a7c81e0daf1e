"""Where images come from: the kinds of sources, each declared here once.

A source is an entry of the config's section `sources`: a name, its kind, and what differs from the kind's settings.
Several sources of one kind may stand side by side. `real`, the real training images, is always there.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realgap import policy
from realgap.base_model.samplers import SAMPLERS
from realgap.selection import CRITERIA
from realgap.study import counts, recipes

REAL = recipes.REAL
SMALLEST_PX = 128  # side from which on lines can be measured (realgap.geometry.vanishing)
DEFECTS = ("bent_lines", "second_light", "broken_camera")  # with which the renderer draws scenes of known fault

# a setting is its JSON schema, with the default that stands when a study says nothing
_DENOISING = {
    "scheduler": {
        "description": "Sampling algorithm by name.",
        "enum": list(SAMPLERS),
        "default": "dpmsolver++",
    },
    "num_inference_steps": {
        "description": "Denoising steps of one sample.",
        "type": "integer",
        "minimum": 1,
        "maximum": 1000,
        "default": 25,
    },
    "guidance_scale": {
        "description": "w in uncond + w (cond - uncond); 1 is no guidance.",
        "type": "number",
        "minimum": 1,
        "maximum": 50,
        "default": 2.0,
    },
    "guidance_interval": {
        "description": "First and last share of the steps with guidance, [0, 1] for all; others take half the time.",
        "type": "array",
        "minItems": 2,
        "maxItems": 2,
        "items": {"type": "number", "minimum": 0, "maximum": 1},
        "default": [0, 1],
    },
    "samples_per_image": {
        "description": "Images of this source for each real one; null for as many as sampling.samples_per_image says.",
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": 10000,
        "default": None,
    },
}
_EMBEDDING_NOISE = {
    "description": "Standard deviation of the noise added to an embedding.",
    "type": "number",
    "minimum": 0,
    "maximum": 10,
    "default": 0.1,
}
_UNCONDITIONAL = {
    "description": "What guidance leads away from, the mean embedding of the class or data set, or the empty prompt.",
    "enum": ["class", "dataset", "prompt"],
    "default": "class",
}
_INTERPOLATION = {
    "description": "Share of a same-class partner's embedding.",
    "type": "number",
    "minimum": 0,
    "maximum": 1,
    "default": 0.1,
}
_FROM_EMBEDDINGS = {
    "unconditional": _UNCONDITIONAL,
    "embedding_noise": _EMBEDDING_NOISE,
    "interpolation_strength": _INTERPOLATION,
}
# the conditioning of `img2img` -> the rules that make it
_CONDITIONINGS = {"prompts": (), "inversion": ("invert_shard",), "class_inversion": ("invert_class",)}

# what sampling is told where a kind has no such setting
NEUTRAL = {
    "unconditional": "prompt",
    "embedding_noise": 0,
    "interpolation_strength": 0,
    "strength": None,
    "inversion_steps": None,
    "fresh_noise": 0,
}


@dataclass(frozen=True)
class Kind:
    """rule: makes the shards of such a source; after: the rules before it that work on real images."""

    title: str
    rule: str
    after: tuple[str, ...] = ()
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    one_each: bool = False  # one image for each real one, whatever sampling.samples_per_image says
    conditioning: str = ""  # the kind whose conditioning it has too; its own where it says none


KINDS = {
    "vae_only": Kind("real images through the VAE alone (control)", "reconstruct_shard", ("encode_shard",), {}, True),
    "prompts": Kind("sampled from text prompts with the class name", "sample_shard", (), _DENOISING),
    "inversion": Kind(
        "sampled from the inverted embedding of each real image",
        "sample_shard",
        ("encode_shard", "invert_shard"),
        {**_DENOISING, **_FROM_EMBEDDINGS},
    ),
    "class_inversion": Kind(
        "sampled from one embedding shared by all real images of a class (textual inversion)",
        "sample_shard",
        ("encode_shard", "invert_class"),
        {
            **_DENOISING,
            "unconditional": {**_UNCONDITIONAL, "enum": ["dataset", "prompt"], "default": "prompt"},
            "embedding_noise": {**_EMBEDDING_NOISE, "default": 0.0},
        },
    ),
    "dp_inversion": Kind(
        "sampled around a mean of inverted embeddings that was released with noise (differential privacy)",
        "sample_release_shard",
        ("encode_shard", "invert_shard", "release_source"),
        {
            **_DENOISING,
            "unconditional": {**_UNCONDITIONAL, "enum": ["dataset", "prompt"], "default": "prompt"},
            "embedding_noise": {**_EMBEDDING_NOISE, "default": 0.0},
            "epsilon": {
                "description": "What the release of this source may give away; null for no noise and no guarantee.",
                "type": ["number", "null"],
                "exclusiveMinimum": 0,
                "maximum": 1000,
            },
            "clip": {
                "description": "Length (L2) that the difference of an image's embedding from its start is cut to.",
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": 100000,
            },
            "basis": {
                "description": "Folder of embeddings of public images whose directions differences are projected on.",
                "type": ["string", "null"],
                "minLength": 1,
                "default": None,
            },
            "directions": {
                "description": "Directions of the basis, where there is one.",
                "type": "integer",
                "minimum": 1,
                "maximum": 10000,
                "default": 64,
            },
            "spread": {
                "description": "How samples vary along the directions of the basis: not, as public images of a class "
                "do, or as far as the images do, which is then released with noise beside their mean.",
                "enum": ["none", "public", "released"],
                "default": "none",
            },
        },
        conditioning="class_inversion",
    ),
    "img2img": Kind(
        "each real image's latents, noised in part and denoised again (SDEdit)",
        "sample_shard",
        ("encode_shard",),
        {
            **_DENOISING,
            "strength": {
                "description": "How far latents are noised: the share of the denoising steps that are made.",
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": 1,
                "default": 0.5,
            },
            "conditioning": {
                "description": "What denoising is conditioned on.",
                "enum": list(_CONDITIONINGS),
                "default": "prompts",
            },
            "unconditional": {**_UNCONDITIONAL, "default": "prompt"},
            "embedding_noise": {**_EMBEDDING_NOISE, "default": 0.0},
            "interpolation_strength": {**_INTERPOLATION, "default": 0.0},
        },
    ),
    "ddim_inversion": Kind(
        "denoised again from the noise that each real image's latents are inverted into (DDIM inversion)",
        "sample_shard",
        ("encode_shard",),
        {
            **_DENOISING,
            "inversion_steps": {
                "description": "Steps from the latents of a real image to its noise.",
                "type": "integer",
                "minimum": 1,
                "maximum": 1000,
                "default": 25,
            },
            "fresh_noise": {
                "description": "Share of that noise's variance that each sample draws anew; 0 leads back to the image.",
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "default": 0.2,
            },
        },
        conditioning="prompts",
    ),
    "selection": Kind(
        "kept by a criterion, one of several candidates each",
        "select_shard",
        (),
        {
            "of": {
                "description": "The source of the candidates; real for the same score used to weight real images.",
                "type": "string",
                "minLength": 1,
            },
            "candidates": {
                "description": "Candidates of which one is kept; their source makes so many times as many images.",
                "type": "integer",
                "minimum": 2,
                "maximum": 1000,
                "default": 4,
            },
            "criteria": {
                "description": "Criterion -> its weight; ranks among the candidates are summed.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"enum": list(CRITERIA)},
                "additionalProperties": {"type": "number", "exclusiveMinimum": 0},
                "default": {"utility": 1},
            },
            "shuffled": {
                "description": "Whether candidates get the scores of other candidates (control).",
                "type": "boolean",
                "default": False,
            },
            "samples_per_image": _DENOISING["samples_per_image"],
        },
    ),
    "policy": Kind(
        "of several sources each class takes the one that serves it best on validation images",
        "follow_shard",
        ("judge_policy",),
        {
            "among": {
                "description": "The sources that a class may take.",
                "type": "array",
                "minItems": 2,
                "maxItems": 16,
                "uniqueItems": True,
                "items": {"type": "string", "minLength": 1},
            },
            "rounds": {
                "description": "Rounds of judging; after each, half of a class's sources are left.",
                "type": "integer",
                "minimum": 1,
                "maximum": 4,
                "default": 1,
            },
            "classifiers": {
                "description": "Classifiers that judge each source in a round.",
                "type": "integer",
                "minimum": 1,
                "maximum": 100,
                "default": 3,
            },
            "samples_per_image": _DENOISING["samples_per_image"],
        },
    ),
    "folder": Kind(
        "images that are there already, of any generator",
        "import_shard",
        (),
        {
            "root": {
                "description": "A folder of images, one folder a class, or an HDF5 file as of dataset.name hdf5.",
                "type": "string",
                "minLength": 1,
            }
        },
    ),
    "rendered": Kind(
        "the real rendered scenes drawn again with a known defect",
        "render_shard",
        (),
        {"defect": {"description": "What is wrong with the scenes.", "enum": list(DEFECTS)}},
        True,
    ),
    "new_scenes": Kind(
        "new rendered scenes, some of them with a known defect",
        "draw_scenes_shard",
        (),
        {
            "defects": {
                "description": "What is wrong with those that have a defect, each as often as another.",
                "type": "array",
                "minItems": 1,
                "uniqueItems": True,
                "items": {"enum": list(DEFECTS)},
            },
            "defective_share": {
                "description": "The share of scenes that have one, in the mean.",
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "default": 0.5,
            },
            "samples_per_image": _DENOISING["samples_per_image"],
        },
    ),
}

# what images of the names that this project's studies use are, for readers; other sources are described by their kind
DESCRIPTIONS = {
    "real": "the images that the study starts from. Every other row is compared to them.",
    "vae_only": "the control: the real images passed through the image coder of the base model and back. No image of "
    "this model can be expected to be better.",
    "stable_diffusion": "images that the base model makes from text prompts with the name of the class.",
    "diffusion_inversion": "images that the base model makes from embeddings. Each embedding was fitted to one of "
    "the real images beforehand. Some noise and a share of another image of the class are added.",
    "bent_lines": "the real scenes rendered again with lines that bend.",
    "second_light": "the real scenes rendered again with shadows of a second light.",
    "broken_camera": "the real scenes rendered again in a sheared world, as no camera sees it.",
}


@dataclass(frozen=True)
class Source:
    """A source of a study: its settings hold every key of its kind."""

    name: str
    kind: str
    settings: Mapping[str, Any]

    @property
    def rule(self) -> str:
        return KINDS[self.kind].rule

    @property
    def after(self) -> tuple[str, ...]:
        """The rules that work on real images before this source's own rule does."""
        return KINDS[self.kind].after + _CONDITIONINGS.get(self.settings.get("conditioning", ""), ())

    @property
    def conditioning(self) -> str:
        """What a sampled source is conditioned on: prompts, inversion or class_inversion."""
        return self.settings.get("conditioning", KINDS[self.kind].conditioning or self.kind)

    @property
    def begins_at_latents(self) -> bool:
        """Whether a sample begins at its real image's latents."""
        return self.kind in ("img2img", "ddim_inversion")

    @property
    def chooses_real(self) -> bool:
        """Whether it chooses among real images, which it does not make."""
        return self.settings.get("of") == REAL

    @property
    def one_each(self) -> bool:
        """Whether it makes one image of each real one, whatever the study says."""
        return KINDS[self.kind].one_each

    @property
    def own_samples(self) -> int | None:
        """Images that it makes of each real one, whatever the study says; None: as many as that."""
        return 1 if self.one_each else self.settings.get("samples_per_image")

    def samples_per_image(self, usual: int) -> int:
        return usual if self.own_samples is None else self.own_samples


def descriptions(config: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """What the images of each named source are, in a sentence for readers: the name's own, or that of its kind."""
    return {name: DESCRIPTIONS.get(name) or _described(_source(name, config["sources"][name])) for name in names}


def _described(source: Source) -> str:
    if source.kind != "selection":
        return f"{KINDS[source.kind].title}."
    own, other = source.settings, " of other candidates (control)" if source.settings["shuffled"] else ""
    how = "at random" if set(own["criteria"]) == {"random"} else f"by {' and '.join(own['criteria'])}"
    return f"of {own['candidates']} candidates of {own['of'].replace('_', ' ')} one each is kept, {how}{other}."


def of(config: Mapping[str, Any]) -> dict[str, Source]:
    """The sources of a study by name."""
    return {name: _source(name, entry) for name, entry in config["sources"].items()}


def of_kind(config: Mapping[str, Any], kind: str) -> str:
    """The name of the study's first source of a kind. StopIteration where it has none."""
    return next(name for name, source in of(config).items() if source.kind == kind)


def used(config: Mapping[str, Any]) -> dict[str, Source]:
    """Those that some training set holds, in the order of the training sets."""
    parts = dict.fromkeys(part for name in config["training_sets"] for part in parts_of(name))
    sources = of(config)
    return {name: sources[name] for name in parts if name in sources}


def parts_of(training_set: str) -> list[str]:
    """The sources of a training set: "real+vae_only", or "real+vae_only@long" -> ["real", "vae_only"]."""
    return recipes.sources_sum(training_set).split("+")


def batch_shares(parts: Sequence[str], real_share: float | None, counts: Sequence[int]) -> list[float]:
    """The share of a batch that each source of a training set has; adds to 1.

    real_share of it is real where there are real and generated images; the generated ones share the rest equally. None:
    each has its share of all images, as where files are put into one folder. counts: the images of each.
    """
    if len(parts) == 1:
        return [1.0]
    generated = len(parts) - (REAL in parts)
    if real_share is None:
        return [count / sum(counts) for count in counts]
    rest = 1 - real_share if REAL in parts else 1.0
    return [real_share if part == REAL else rest / generated for part in parts]


def batch_counts(shares: Sequence[float], batch_size: int) -> list[int]:
    """Images of each source in a batch; rounding the ends between them leaves none over and none short."""
    ends = [round(batch_size * reached) for reached in itertools.accumulate(shares)]
    return [end - first for first, end in itertools.pairwise([0, *ends])]


def folder(source: str) -> str:
    """Where a source's shards lie below the study's folder: the one place that knows."""
    return REAL if source == REAL else f"samples/{source}"


def schema() -> dict[str, Any]:
    """The JSON schema of the section `sources`: a kind decides which other keys an entry may have."""
    kinds = [
        {
            "if": {"properties": {"kind": {"const": kind}}},
            "then": {
                "properties": {"kind": {}, **declared.settings},
                "additionalProperties": False,
                "required": [key for key, setting in declared.settings.items() if "default" not in setting],
            },
        }
        for kind, declared in KINDS.items()
    ]
    return {
        "type": "object",
        "propertyNames": {
            "description": "must be a name of small letters, digits and underscores",
            "pattern": r"^[a-z][a-z0-9_]{0,63}$(?!\n)",
        },
        "additionalProperties": {
            "type": "object",
            "required": ["kind"],
            "properties": {"kind": {"enum": list(KINDS)}},
            "allOf": kinds,
        },
    }


def check(config: Mapping[str, Any]) -> None:
    """Raise ValueError where sources and training sets do not fit each other or the data set."""
    known = {REAL, *config["sources"]}
    if REAL in config["sources"]:
        raise ValueError("config: sources: must not hold 'real', which is always there")
    if nameless := [name for name in config["sources"] if name in ("nan", "null")]:
        raise ValueError(
            f"config: sources: must have names that tables can hold; got {nameless[0]!r}, which is no value"
        )
    for name in config["training_sets"]:
        parts = parts_of(name)
        if unknown := [part for part in parts if part not in known]:
            listed = ", ".join(["real", *config["sources"]])
            raise ValueError(
                f"config: training_sets: must be made of the sources {listed}; got {unknown[0]!r} in {name!r}"
            )
        if len(set(parts)) < len(parts):
            raise ValueError(f"config: training_sets: each source may stand once in a set, got {name!r}")
        if REAL in parts[1:]:
            raise ValueError(f"config: training_sets: real must stand first in a set, got {name!r}")
    if REAL not in config["training_sets"]:
        raise ValueError("config: training_sets: must hold 'real', which every other set is compared to")
    if unknown := [part for part in config["export"]["of"].split("+") if part not in known]:
        raise ValueError(f"config: export.of: must be made of {', '.join(sorted(known))}; got {unknown[0]!r}")
    recipes.check(config)
    for source in used(config).values():
        _check_source(source, config["dataset"])
        if source.kind == "selection":
            _check_selection(source, config)
        if source.kind == "policy":
            _check_policy(source, config)
    for name in config["training_sets"]:
        _check_batch(name, config)


def check_counts(config: Mapping[str, Any]) -> None:
    """Raise ValueError where a class has too few images for a source; config: as counts.settled gives it."""
    fewest, most = counts.smallest(config), max(counts.per_class(config).values())
    if (total := config["sampling"]["samples_per_class"]) is not None and total < most:
        raise ValueError(
            f"config: sampling.samples_per_class: must be at least {most}, the real images of the largest class, or "
            f"null; got {total}"
        )
    for source in used(config).values():
        if source.kind == "selection" and fewest < (folds := config["selection"]["folds"]):
            raise ValueError(
                f"config: dataset.images_per_class: must be at least selection.folds, {folds}, for judges that have "
                f"not seen an image; got {fewest}"
            )
        if source.chooses_real and fewest < (candidates := source.settings["candidates"]):
            raise ValueError(
                f"config: sources.{source.name}.candidates: must be at most dataset.images_per_class, {fewest}, for "
                f"real images are chosen among; got {candidates}"
            )
        if source.settings.get("interpolation_strength") and fewest < 2:
            raise ValueError(
                f"config: sources.{source.name}.interpolation_strength: must be 0 when dataset.images_per_class is 1 "
                f"(no partner to mix with), got {source.settings['interpolation_strength']}"
            )


def _check_batch(training_set: str, config: Mapping[str, Any]) -> None:
    """Each source needs an image in every batch."""
    parts, known, classifier = parts_of(training_set), of(config), recipes.classifier(config, training_set)
    usual = config["sampling"]["samples_per_image"]
    of_each = [1 if part == REAL else known[part].samples_per_image(usual) for part in parts]
    counts = batch_counts(batch_shares(parts, classifier["real_share"], of_each), classifier["batch_size"])
    if empty := [part for part, count in zip(parts, counts, strict=True) if not count]:
        raise ValueError(
            f"config: classifier.batch_size: must give each source of {training_set} an image of every batch, with "
            f"real_share {classifier['real_share']}; got {classifier['batch_size']}, in which {empty[0]} has none"
        )


def _check_source(source: Source, dataset: Mapping[str, Any]) -> None:
    where = f"config: sources.{source.name}"
    if source.kind in ("rendered", "new_scenes") and dataset["name"] != "rendered":
        raise ValueError(
            f"{where}.kind: must be another than {source.kind} unless dataset.name is rendered; got {dataset['name']!r}"
        )
    first, last = source.settings.get("guidance_interval", (0, 1))
    if first >= last:
        raise ValueError(
            f"{where}.guidance_interval: must be two shares of the steps, the first below the last (guidance_scale: 1 "
            f"for no guidance); got {source.settings['guidance_interval']}"
        )
    scheduler, steps = source.settings.get("scheduler"), source.settings.get("num_inference_steps", 0)
    if scheduler and steps > (most := SAMPLERS[scheduler].most_steps):
        raise ValueError(f"{where}.num_inference_steps: must be at most {most} for scheduler {scheduler}; got {steps}")
    root = Path(source.settings.get("root", "."))
    if source.kind == "folder" and not (root.is_dir() or root.is_file()):
        raise ValueError(f"{where}.root: must be where the images are; got {source.settings['root']!r}, nothing there")
    if source.conditioning == "class_inversion" and source.settings["unconditional"] == "class":
        raise ValueError(f"{where}.unconditional: must be dataset or prompt for one embedding a class; got 'class'")
    if source.kind == "img2img" and source.conditioning == "prompts" and source.settings["unconditional"] != "prompt":
        got = source.settings["unconditional"]
        raise ValueError(f"{where}.unconditional: must be prompt where conditioning is prompts; got {got!r}")


def _check_selection(source: Source, config: Mapping[str, Any]) -> None:
    where, known, own = f"config: sources.{source.name}", of(config), source.settings
    usual, dataset = config["sampling"]["samples_per_image"], config["dataset"]
    if "geometry" in own["criteria"] and dataset["image_size"] < SMALLEST_PX:
        raise ValueError(
            f"{where}.criteria.geometry: must be left out below {SMALLEST_PX} px, where lines are too short to "
            f"measure; dataset.image_size is {dataset['image_size']}"
        )
    if source.chooses_real:
        if config["sampling"]["samples_per_class"] is not None and source.own_samples is None:
            raise ValueError(f"{where}.samples_per_image: must be a number where samples_per_class is given; got null")
        return
    if own["of"] not in known or known[own["of"]].kind in ("selection", "dp_inversion"):
        able = ", ".join(name for name, one in known.items() if one.kind not in ("selection", "dp_inversion"))
        raise ValueError(f"{where}.of: must be real or one of the sources {able}; got {own['of']!r}")
    if config["sampling"]["samples_per_class"] is not None and None in (
        source.own_samples,
        known[own["of"]].own_samples,
    ):
        raise ValueError(
            f"{where}.samples_per_image: must be a number, and {own['of']}'s, where samples_per_class is given"
        )
    needed, made = own["candidates"] * source.samples_per_image(usual), known[own["of"]].samples_per_image(usual)
    if made != needed:
        raise ValueError(
            f"config: sources.{own['of']}.samples_per_image: must be {needed}, for {own['candidates']} candidates of "
            f"each image of {source.name}; got {made}"
        )


def _check_policy(source: Source, config: Mapping[str, Any]) -> None:
    where, known, own = f"config: sources.{source.name}", of(config), source.settings
    usual = config["sampling"]["samples_per_image"]
    able = [name for name, one in known.items() if one.rule == "sample_shard"]
    if strange := [name for name in own["among"] if name not in able]:
        raise ValueError(f"{where}.among: must be of the sampled sources {', '.join(able)}; got {strange[0]!r}")
    for name in own["among"]:
        _check_source(known[name], config["dataset"])
        if (made := known[name].samples_per_image(usual)) != (needed := source.samples_per_image(usual)):
            raise ValueError(
                f"config: sources.{name}.samples_per_image: must be {needed}, as of {source.name}, which may take its "
                f"images; got {made}"
            )
    if own["rounds"] > (most := policy.most_rounds(len(own["among"]))):
        raise ValueError(
            f"{where}.rounds: must be at most {most} for {len(own['among'])} sources, half of which are left after "
            f"each; got {own['rounds']}"
        )
    if not config["dataset"]["validation_images_per_class"]:
        raise ValueError(
            f"config: dataset.validation_images_per_class: must be 1 or more, for {source.name} chooses by validation "
            "images; got 0"
        )


def _source(name: str, entry: Mapping[str, Any]) -> Source:
    declared = KINDS[entry["kind"]].settings
    defaults = {key: setting["default"] for key, setting in declared.items() if "default" in setting}
    return Source(name, entry["kind"], {**defaults, **{key: value for key, value in entry.items() if key != "kind"}})
