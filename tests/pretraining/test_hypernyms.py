"""realgap.pretraining.hypernyms and the table of words it is used with."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from realgap.data import catalog
from realgap.pretraining import captions, hypernyms, miniature

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "resources" / "captions" / "tiny-imagenet-near.tsv"
ENTRY = captions.Entry("golden retriever", "dog")


def plain(colours):
    """Images of one colour each, 32 px."""
    return np.broadcast_to(np.array(colours, np.uint8)[:, None, None, :], (len(colours), 32, 32, 3)).copy()


@pytest.fixture(scope="module")
def written():
    images = plain([captions.COLOURS["green"]] * 500)
    return hypernyms.write(images, [ENTRY] * 500, np.arange(500), seed=0)


def test_every_caption_says_the_kind_and_six_in_ten_the_class(written):
    assert len(written) == hypernyms.VARIANTS * 500
    assert all("dog" in caption for caption in written)
    assert np.mean(["golden retriever, a dog" in caption for caption in written]) == pytest.approx(0.6, abs=0.04)
    assert np.mean(["green within" in caption for caption in written]) == pytest.approx(0.3, abs=0.04)
    assert "a photo of a dog" in written


def test_a_caption_does_not_depend_on_the_other_images(written):
    alone = hypernyms.write(plain([captions.COLOURS["green"]]), [ENTRY], np.array([7]), seed=0)
    assert alone == written[7::500]
    assert alone != hypernyms.write(plain([captions.COLOURS["green"]]), [ENTRY], np.array([7]), seed=1)[:4]


def test_colours_are_told_where_they_are_and_mirroring_changes_none():
    image = plain([captions.COLOURS["green"]])
    image[:, :8] = captions.COLOURS["azure"]
    image[:, 10:22, 10:22] = captions.COLOURS["tan"]
    assert hypernyms.appearances(image) == ["azure above, green below, tan within"]
    photographs = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    photographs[:10] //= 3
    assert hypernyms.appearances(photographs[:, :, ::-1]) == hypernyms.appearances(photographs)


def test_each_class_of_cifar_10_is_a_kind_and_none_is_part_of_another_s_words():
    entries = captions.read_table(TABLE).values()
    kinds = Counter(entry.kind for entry in entries)
    assert all(kinds[name] >= 1 for name in catalog.CIFAR10)
    for name in catalog.CIFAR10:
        assert [entry for entry in entries if name in entry.kind.split() and entry.kind != name] == []


def test_the_table_differs_from_the_other_in_kinds_alone():
    old, new = captions.read_table(TABLE.with_name("tiny-imagenet.tsv")), captions.read_table(TABLE)
    assert {folder: entry.name for folder, entry in old.items()} == {f: entry.name for f, entry in new.items()}


def test_the_longest_caption_fits_into_24_tokens():
    entries = list(captions.read_table(TABLE).values())
    images = plain([captions.COLOURS["charcoal"]] * len(entries))
    texts = [
        caption for seed in range(10) for caption in hypernyms.write(images, entries, np.arange(len(entries)), seed)
    ]
    tokenizer = miniature.make_tokenizer(texts, max_tokens=77)
    assert max(len(tokenizer(text).input_ids) for text in texts) <= 24
