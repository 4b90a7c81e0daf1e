"""The words by which data sets call their parts."""

TRAIN, VALIDATION, TEST = "train", "validation", "test"
WORDS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing"), TEST),
}


def part(word: str, where: str) -> str:
    """train, validation, test, or "" for no word. ValueError for another one, which names `where`."""
    if not word:
        return ""
    if word.strip().lower() not in WORDS:
        raise ValueError(f"{where}: split must be one of {', '.join(WORDS)}; got {word!r}")
    return WORDS[word.strip().lower()]


def of_name(name: str) -> str:
    """The part that a file's name or a folder's begins with, as in train-00000-of-00002.parquet; "" for none."""
    first = name.lower()
    for cut in "-_.":
        first = first.partition(cut)[0]
    return WORDS.get(first, "")


def as_they_are(given: list[str]) -> list[str]:
    """Parts where some are given: what is in none trains, and a validation part without a test part is the test set."""
    if not any(given):
        return given
    tests = TEST in given
    return [(TEST if one == VALIDATION and not tests else one) or TRAIN for one in given]
