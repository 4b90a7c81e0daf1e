"""realgap.study.paths: a path that a shell, Snakemake or a step takes for something else is refused in one line."""

import copy
import subprocess

import pytest
import yaml
from PIL import Image
from sklearn.datasets import load_digits

from realgap.study import config as configuration
from realgap.study import paths
from tests import checkout

DEFAULT = yaml.safe_load((checkout.ROOT / "config.yaml").read_text())
ODD = ["~/a", "~", "@a", "-a", "{a}", "a{", "a}b", "a\tb", "a\n", "\x1b[2Ja", "a\rb"]
# keys of any text, by what they hold instead of a path
TEXTS = {"dataset.groups": "a path where it ends in .csv", "prompts.words.*": "words"}
TEXTS |= {"privacy.base_model_saw.*": "names of data sets", "privacy.release.*": "rows of training_sets"}
TEXTS |= {"classifiers.*": "names of recipes"}


def with_path(key, path):
    config = copy.deepcopy(DEFAULT)
    if key == "dataset.root":
        config["dataset"] |= {"name": "image_folder", "root": path}
    elif key == "dataset.groups":
        config["dataset"] |= {"name": "image_folder", "root": "resources", "groups": f"{path}.csv"}
    elif key == "sources.gan.root":
        config["sources"]["gan"] = {"kind": "folder", "root": path}
    elif key == "images":
        config["images"] = path
    else:
        section, name = key.split(".")
        config[section] |= {name: path}
    return config


@pytest.mark.parametrize("path", ODD, ids=ascii)
@pytest.mark.parametrize("key", [*paths.KEYS, "dataset.groups", "sources.gan.root"])
def test_an_odd_path_of_any_key_is_one_line(key, path):
    with pytest.raises(ValueError, match=f"^config: {key}: must be a path that begins with none of ~ @ -") as caught:
        configuration.check(with_path(key, path))
    assert str(caught.value).isprintable()


LITERAL = ["a b", "a'b\"c", "$(touch pwned)", "a;b&c", "a*?[b]", "é\u4e2d", "%s #", "a=b,c", "a~", "a@b"]


@pytest.mark.parametrize("path", LITERAL)
@pytest.mark.parametrize("key", [*paths.KEYS, "dataset.groups", "sources.gan.root"])
def test_what_means_nothing_inside_quotes_is_part_of_a_path(key, path):
    paths.check_names(with_path(key, path))


def test_every_key_that_takes_any_text_is_known_to_be_a_path_or_none():
    """A new key of the schema that holds a path must be among paths.KEYS."""
    found = set(of_any_text(configuration.schema()))
    assert found - TEXTS.keys() == set(paths.KEYS)


def of_any_text(schema, at=""):
    if not isinstance(schema, dict):
        return
    if "string" in schema.get("type", ()) and not {"enum", "const", "pattern", "if"} & schema.keys():
        yield at
    for key, inner in schema.get("properties", {}).items():
        yield from of_any_text(inner, f"{at}.{key}".strip("."))
    for key in ("additionalProperties", "items"):
        yield from of_any_text(schema.get(key), f"{at}.*")


@pytest.mark.long
def test_a_data_set_of_any_name_is_read_where_it_lies(tmp_path):
    """Through Snakemake, a shell and a step."""
    folder = checkout.copy(tmp_path / "checkout")
    snakefile = folder / "Snakefile"
    snakefile.write_text(snakefile.read_text().replace("        warm.start()\n", "        pass\n"))
    root = folder / "my $(touch pwned) `touch pwned`; 'é' \"*\" & %s #"
    digits = load_digits()
    for digit, name in enumerate(("ze ro", "$one'")):
        (root / name).mkdir(parents=True)
        for row in (digits.target == digit).nonzero()[0][:12]:
            Image.fromarray((digits.images[row] * 15).astype("u1")).save(root / name / f"{row} $x'.png")
    study = {**checkout.REDUCED, "analyses": [], "study": "odd"}
    study["dataset"] = {"name": "image_folder", "root": root.name, "classes": ["ze ro", "$one'"], "image_size": 8}
    study["dataset"] |= {"images_per_class": 4, "images_per_shard": 4}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    command = ["snakemake", "--configfile", "study.yaml", "--cores", "1", "--", "results/odd/test.h5"]
    run = subprocess.run(command, cwd=folder, env=checkout.environment(), capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert not list(tmp_path.rglob("pwned"))
