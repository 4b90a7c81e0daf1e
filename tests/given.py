"""Calls of the functions that take settings, from plain keywords: tests change one or two of them."""

from dataclasses import asdict, fields
from typing import Any

from realgap import devices
from realgap.classifier import training
from realgap.cost import plan
from realgap.diffusion import inversion
from realgap.study import counts, sources

# the section of the configuration that says where steps compute, for tests: on a CPU, the same everywhere
COMPUTE = asdict(devices.Compute(device="cpu", precision="fp32"))


def train(model, parts, shares, **given: Any):
    """training.train with its Settings taken out of the keywords."""
    return training.train(model, parts, shares, *_settings(training.Settings, given), **given)


def invert(state, mean, std, image_ids, predict, alphas_cumprod, **given: Any):
    """The same for inversion.invert; visits: steps_per_image; early_stopping: (patience, tolerance, pairs)."""
    given["steps_per_image"] = given.pop("visits")
    stopping = given.pop("early_stopping", None) or (None, 0.0, 1)
    given |= dict(zip(("patience", "tolerance", "pairs"), stopping, strict=True))
    given |= {f"early_stopping_{key}": given.pop(key) for key in ("patience", "tolerance", "pairs")}
    settings = _settings(inversion.Settings, given)
    return inversion.invert(state, mean, std, image_ids, predict, alphas_cumprod, *settings, **given)


def _settings(kind: type, given: dict[str, Any]) -> list[Any]:
    return [kind(**{field.name: given.pop(field.name) for field in fields(kind) if field.name in given})]


def planned(made: plan.Plan) -> dict[str, plan.Work]:
    """The work of a study's costly rules, counted by hand: what `snakemake plan` counts in Snakemake's graph."""
    config, used = made.config, sources.used(made.config).values()
    shards = [
        min(made.per_shard, images - start)
        for images in counts.per_class(config).values()
        for start in range(0, images, made.per_shard)
    ]
    before = {rule for source in used for rule in source.after}
    rules = {"extract_shard": [made.extract_shard(n) for n in shards]}
    for rule in ("encode_shard", "invert_shard"):
        if rule in before:
            rules[rule] = [getattr(made, rule)(n) for n in shards]
    for source in used:
        if source.rule == "sample_shard":
            rules.setdefault("sample_shard", []).extend(made.sample_shard(n, source) for n in shards)
        if source.rule == "reconstruct_shard":
            rules["reconstruct_shard"] = [made.reconstruct_shard(n) for n in shards]
    classifiers = [name for name in config["training_sets"] for _ in config["seeds"]]
    rules |= {"train": [made.train(name) for name in classifiers], "evaluate": [made.evaluate() for _ in classifiers]}
    return {rule: plan.total(jobs) for rule, jobs in rules.items()}
