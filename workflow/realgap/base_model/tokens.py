"""The numbers of tokens, as the JSON files of a tokenizer say them; nothing of a library is needed."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from realgap.base_model import layout


def numbers(folder: Path, config: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """(file, all that stands there for numbers of tokens) of a base model's tokenizer; config: tokenizer_config.json.

    What stands elsewhere than it should is left to the library that loads it. Raises ValueError for a file that is no
    JSON object.
    """
    names = ("vocab.json", "added_tokens.json", "tokenizer.json")
    paths = {name: folder / "tokenizer" / name for name in names}
    said = {name: layout.read_json(path) for name, path in paths.items() if path.exists()}
    whole = said.pop("tokenizer.json", {})
    yield from ((name, list(number_of.values())) for name, number_of in said.items())
    model, added, more = whole.get("model"), whole.get("added_tokens"), config.get("added_tokens_decoder")
    if isinstance(model, dict) and isinstance(model.get("vocab"), dict):
        yield "tokenizer.json", list(model["vocab"].values())
    if isinstance(added, list):
        yield "tokenizer.json", [one.get("id") for one in added if isinstance(one, dict)]
    if isinstance(more, dict):
        yield "tokenizer_config.json", [int(one) if one.isdecimal() else one for one in more]
