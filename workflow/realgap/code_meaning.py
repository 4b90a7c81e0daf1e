"""What of the code says instead of makes, and which tables are looked up by name; realgap.code_version reads it.

A step that prints another word, or counts its seconds otherwise, makes the same bytes. tests/test_code_version.py
puts others in the place of these functions and compares the bytes.
"""

# function -> why the bytes that a step makes do not depend on it. Its text does not count for a digest, neither do
# texts handed to it; what it is called with does.
SAYS: dict[str, str] = {
    "realgap.jobs.begin": "when and with which counters a job began, for its log",
    "realgap.jobs.log": "where and when a job ran, as one line of its log",
    "realgap.steps.progress": "a progress bar; the items pass through it as they are",
    "realgap.steps._benchmark": "seconds and memory of a step, as Snakemake's benchmarks",
    "realgap.steps._plain": "how an error is worded",
    "realgap.files._room": "how a full disk is worded",
    "realgap.artefacts.mend": "what to do about a damaged file, as part of an error",
    "realgap.shards._damaged": "how a damaged shard is worded",
    "realgap.checkpoints._differences": "how a checkpoint of other options is worded",
    "realgap.loaders._range": "how a wrong label is worded",
    "scripts.invert._failure": "how a failed inversion is worded",
}

# Functions whose argument __doc__ is shown with --help alone.
DESCRIBED = ("realgap.steps.parse",)

# Tables whose keys stand as texts in the code that looks them up: an entry counts where its key does.
BY_TEXT: dict[str, str] = {
    "realgap.shards.LAYOUT": "the kind of a shard is written out where it is read or written",
}
