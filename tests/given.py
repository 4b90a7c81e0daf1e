"""Calls of the functions that take settings, from plain keywords: tests change one or two of them."""

from dataclasses import fields
from typing import Any

from realgap.classifier import training
from realgap.diffusion import inversion


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
    return [kind(**{field.name: given.pop(field.name) for field in fields(kind)})]
