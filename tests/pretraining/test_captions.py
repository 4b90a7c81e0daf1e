"""realgap.pretraining.captions: what a caption says is true of its image, and prompts are of the same language."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from realgap.pretraining import captions, miniature

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "resources" / "captions" / "tiny-imagenet.tsv"
SIDES = ("east", "southeast", "south", "southwest", "west", "northwest", "north", "northeast")
RETRIEVER = captions.Entry("golden retriever", "dog")


def quarters(top, bottom, size=32):
    """An image whose upper half has one colour and whose lower half another."""
    image = np.empty((size, size, 3), np.uint8)
    image[: size // 2], image[size // 2 :] = captions.COLOURS[top], captions.COLOURS[bottom]
    return image


def written(images, ids, seed=0, entry=RETRIEVER):
    return captions.write(np.stack(images), [entry] * len(images), np.array(ids), seed)


def test_a_cell_has_the_word_of_its_colour():
    image = quarters("azure", "green")
    image[24:28, 8:12] = captions.COLOURS["red"]
    words = captions.cells(image[None])[0]
    assert (words[:4] == "azure").all()
    assert words[6].tolist() == ["green", "green", "red", *["green"] * 5]


@pytest.mark.parametrize("size", [32, 50])
@pytest.mark.parametrize(("contrast", "ending"), [(4, ""), (15, "{}"), (30, "{}edge")])
def test_a_cell_that_grows_lighter_towards_a_side_is_told_so(size, contrast, ending):
    """Every cell with the same slope, in each of the eight directions of a compass, north being up."""
    y, x = np.mgrid[: size // 8, : size // 8] - (size // 8 - 1) / 2
    for number, side in enumerate(SIDES):
        along = np.cos(number * np.pi / 4) * x + np.sin(number * np.pi / 4) * y
        image = np.full((1, size, size, 3), 110, np.uint8)
        cell = (110 + contrast * along / along.std()).round().astype(np.uint8)
        image[:, : size // 8 * 8, : size // 8 * 8] = np.tile(cell, (8, 8))[..., None]
        assert set(captions.cells(image).ravel()) == {"grey" + ending.format(side)}, side


def test_every_colour_is_nearest_to_itself_also_with_a_little_noise():
    random = np.random.default_rng(0)
    for word, colour in captions.COLOURS.items():
        noisy = np.clip(np.array(colour) + random.integers(-4, 5, (1, 8, 8, 3)), 0, 255).astype(np.uint8)
        assert (captions.cells(noisy) == word).all()


def test_what_captions_say_of_looks_is_what_the_image_has():
    images = [quarters("azure", "green"), quarters("black", "orange")]
    said = written(images * 50, range(100))
    assert len(said) == 100 * captions.VARIANTS
    truth = [" ".join(["azure"] * 32 + ["green"] * 32), " ".join(["black"] * 32 + ["orange"] * 32)]
    told = [caption.startswith(truth[j % 2] + ", a ") for j, caption in enumerate(said)]
    assert np.mean(told) == pytest.approx(captions.LOOKS_SHARE, rel=0.15)
    assert not any(re.search("azure|green|black|orange", c) for c, tells in zip(said, told, strict=True) if not tells)


def test_captions_say_the_name_the_kind_or_both_about_equally_often():
    said = written([quarters("azure", "green")] * 300, range(300))
    both = [c for c in said if "golden retriever, a dog" in c]
    name = [c for c in said if "golden retriever" in c and c not in both]
    kind = [c for c in said if "golden retriever" not in c]
    assert all("dog" in caption for caption in kind)
    for part in (both, name, kind):
        assert len(part) / len(said) == pytest.approx(1 / 3, abs=0.05)


def test_an_image_has_its_captions_whichever_others_there_are():
    images, ids = [quarters("navy", "tan"), quarters("white", "brown"), quarters("red", "lime")], [7, 3, 9]
    alone = written(images[1:2], ids[1:2])
    assert written(images, ids)[1::3] == alone
    assert len(set(alone)) > 1
    assert written(images[1:2], ids[1:2], seed=1) != alone


def test_the_shipped_table_names_the_200_classes_with_kinds_that_cifar10_knows():
    table = captions.read_table(TABLE)
    assert len(table) == 200
    assert len({entry.name for entry in table.values()}) == 200
    assert all(re.fullmatch(r"n\d{8}", folder) for folder in table)
    kinds = {entry.kind for entry in table.values()}
    assert {"automobile", "bird", "cat", "dog", "frog", "truck"} <= kinds
    assert table["n02099601"] == RETRIEVER


def test_the_names_are_those_of_the_data():
    """The first synonym of WordNet's, up to spelling: the packed Tiny-ImageNet carries the names of its folders."""
    packed = ROOT.parent / "shared" / "data" / "tinyimagenet64_jpegscans_half.npz"
    if not packed.exists():
        pytest.skip("needs Tiny-ImageNet in ../shared/data")
    with np.load(packed) as data:
        theirs = dict(zip(map(str, data["wnids"]), map(str, data["names"]), strict=True))
    ours = captions.read_table(TABLE)
    assert set(ours) == set(theirs)


def test_the_prompts_of_cifar10_are_templates_of_the_captions():
    prompts = (ROOT / "resources" / "prompts" / "cifar10.txt").read_text().splitlines()
    assert set(prompts) <= set(captions.TEMPLATES)


def test_the_longest_captions_fit_into_a_prompt():
    settings = yaml.safe_load((ROOT / "workflow" / "pretraining" / "config.yaml").read_text())["natural"]
    entries = list(captions.read_table(TABLE).values())
    images = np.random.default_rng(0).integers(256, size=(len(entries), 32, 32, 3), dtype=np.uint8)
    said = [text for seed in range(4) for text in captions.write(images, entries, np.arange(len(entries)), seed)]
    tokenizer = miniature.make_tokenizer(said, settings["max_tokens"])
    lengths = [len(ids) for ids in tokenizer(said, truncation=False).input_ids]
    assert max(lengths) <= settings["max_tokens"]
    assert [len(tokenizer.tokenize(word)) for word in ("dog", "automobile", "azure", "greywestedge", "retriever")] == [
        1
    ] * 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must begin with the columns folder, name, kind"),
        ("folder name kind\n", "must begin with the columns"),
        ("folder\tname\tkind\nn1\tdog\n", "line 2 must be a folder, a name and a kind"),
        ("folder\tname\tkind\nn1\tdog\t \n", "line 2 must be a folder, a name and a kind"),
        ("folder\tname\tkind\nn1\ta\tb\nn1\tc\td\n", "line 3 must name a folder of its own, got n1 twice"),
    ],
)
def test_a_wrong_table_is_one_line(tmp_path, text, message):
    (tmp_path / "table.tsv").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        captions.read_table(tmp_path / "table.tsv")
    assert str(caught.value).startswith(str(tmp_path / "table.tsv"))
