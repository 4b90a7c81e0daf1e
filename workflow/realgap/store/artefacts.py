"""Which rule makes a file of a study, so that a message about a damaged file can say how to get it back."""

from pathlib import Path

# pattern of a path's end -> (rule, kind of shard); the first that fits counts
MADE_BY: dict[str, tuple[str, str | None]] = {
    "real/*/*.h5": ("extract_shard", "images"),
    "features/*.h5": ("extract_features", "features"),
    "geometry/*.h5": ("measure_geometry", "geometry"),
    "saliency/*/seed-*.h5": ("map_saliency", "saliency"),
    "test.h5": ("extract_test", "images"),
    "validation.h5": ("extract_validation", "images"),
    "moments/*/*.h5": ("encode_shard", "moments"),
    "embeddings/*/*.h5": ("invert_shard", "embeddings"),
    "samples/vae_only/*/*.h5": ("reconstruct_shard", "images"),
    "samples/*/*/*.h5": ("sample_shard", "images"),
    "full_size/real/*.h5": ("extract_full_size", "images"),
    "full_size/vae_only/*.h5": ("reconstruct_full_size", "images"),
    "full_size/*/*.h5": ("sample_full_size", "images"),
    "training_sets/*.h5": ("assemble", "images"),
    "classifiers/*/seed-*.safetensors": ("train", None),
    "predictions/*/seed-*.h5": ("evaluate", "predictions"),
    "saliency/*.csv": ("compare_saliency", None),
    "fidelity/*.csv": ("measure_fidelity", None),
    "detection/*.csv": ("measure_detection", None),
    "memorisation/membership_seeds.csv": ("infer_membership", None),
    "memorisation/*.csv": ("audit_memorisation", None),
    "errors/*.csv": ("diagnose_errors", None),
    "scaling/*.csv": ("compare_scaling", None),
    "scaling/*/*/seed-*.h5": ("train_scaling", "predictions"),
    "transfer/*/seed-*.csv": ("tune_transfer", None),
    "transfer/*.csv": ("compare_transfer", None),
    "geometry/shadow*.csv": ("judge_shadows", None),
    "geometry/*.csv": ("judge_geometry", None),
    "accuracies.csv": ("tabulate", None),
    "table.csv": ("tabulate", None),
    "figures/cost.*": ("account", None),
    "cost/*.csv": ("account", None),
    "run/*.csv": ("account", None),
    "figures/accuracy*.*": ("plot", None),
    "figures/strip.*": ("plot", None),
    "figures/samples.*": ("plot", None),
    "figures/overview.*": ("plot", None),
    "figures/gallery/*.*": ("plot", None),
    "report.html": ("report", None),
}


def kind(path: str | Path) -> str | None:
    """The kind of shard that belongs at this path, None where none does."""
    return _made_by(path)[1]


def mend(path: str | Path) -> str:
    """What to do about a damaged file."""
    rule = _made_by(path)[0]
    return f"delete it and run snakemake again: {f'rule {rule}' if rule else 'it'} makes just this file again"


def _made_by(path: str | Path) -> tuple[str | None, str | None]:
    return next((made for pattern, made in MADE_BY.items() if Path(path).match(pattern)), (None, None))
