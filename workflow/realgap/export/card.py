"""The card of an export: what its images are, how they were made, what was found of them, and whose terms hold."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Facts:
    """counts: class -> images. sources: name -> what its images are, in words. settings: how they were made.

    claims: name of a source -> what may be claimed of the real images' privacy. findings: sentences of the audits.
    """

    title: str
    study: str
    counts: Mapping[str, int]
    image_size: int
    sources: Mapping[str, str]
    settings: Mapping[str, Any]
    base_model: str
    claims: Mapping[str, str]
    findings: Sequence[str]


def text(facts: Facts, layout: str) -> str:
    """Markdown; for Hugging Face with the front matter that its readers look for."""
    total = sum(facts.counts.values())
    front = [
        *(
            "---",
            "task_categories:",
            "- image-classification",
            "tags:",
            "- synthetic",
            f"pretty_name: {_quoted(facts.title)}",
        ),
        *("configs:", "- config_name: default", "  data_files: data/train-*.parquet", "---", ""),
    ]
    generated = [name for name in facts.sources if name != "real"]
    return "\n".join(
        [
            *(front if layout == "huggingface" else []),
            f"# {facts.title}",
            "",
            f"{total:,} images of {facts.image_size} px in {len(facts.counts)} classes, from the study {facts.study} "
            "(made with realgap).",
            *(["**They are not photographs: a diffusion model made them.**"] if "real" not in facts.sources else []),
            "",
            *(f"- {name}: {what}" for name, what in facts.sources.items()),
            "",
            "| class | images |",
            "|---|---|",
            *(f"| {name.replace('|', chr(92) + '|')} | {count:,} |" for name, count in facts.counts.items()),
            "",
            "## Terms",
            "",
            *(
                [
                    f"The base model is {facts.base_model}. Its licence holds for what it made. Read it before you "
                    "pass these images on.",
                ]
                if generated
                else []
            ),
            "Terms of the real images hold for them, and for images that were made of them.",
            "",
            "## Privacy of the real images",
            "",
            *(f"- {name}: {claim}" for name, claim in facts.claims.items()),
            "",
            "## What was found of them",
            "",
            *(
                [f"- {sentence}" for sentence in facts.findings]
                or ["Nobody has looked yet whether they repeat real images (analyses: memorisation)."]
            ),
            "",
            "## How they were made",
            "",
            "```json",
            json.dumps(facts.settings, indent=1, sort_keys=True, ensure_ascii=False),
            "```",
            "",
        ]
    )


def _quoted(title: str) -> str:
    """YAML takes a JSON string."""
    return json.dumps(title, ensure_ascii=False)
