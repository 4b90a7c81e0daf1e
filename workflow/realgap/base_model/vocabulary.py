"""The vocabulary of CLIP, 49,408 tokens, in the two files in which Stable Diffusion's folders hold it.

It is not part of a single-file checkpoint; OpenAI publishes it with its code, which the package clip-anytorch ships.
Nothing of that package is imported.
"""

import gzip
import importlib.util
import json
from pathlib import Path

_MERGES = 49152 - 256 - 2  # of the 262,144 in the file, those that CLIP uses


def write(folder: str | Path) -> None:
    """Write vocab.json and merges.txt."""
    with gzip.open(package() / "bpe_simple_vocab_16e6.txt.gz", "rt", encoding="utf-8") as file:
        merges = file.read().split("\n")[1 : 1 + _MERGES]
    letters = _letters()
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(merge.split()) for merge in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    Path(folder, "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}), encoding="utf-8")
    Path(folder, "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")


def package() -> Path:
    """Where clip-anytorch is installed."""
    return Path(importlib.util.find_spec("clip").submodule_search_locations[0])


def _letters() -> list[str]:
    """A printable letter for each of 256 bytes, as GPT-2's tokenizer has them: printable bytes first."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = len(set(range(256)) - set(printable))
    return [*map(chr, printable), *(chr(256 + i) for i in range(others))]
