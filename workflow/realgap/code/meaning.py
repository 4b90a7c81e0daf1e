"""What of the code says instead of makes, and which tables are looked up by name; realgap.code.version reads it.

A step that prints another word, or counts its seconds otherwise, makes the same bytes. tests/code/test_version.py
puts others in the place of these functions and compares the bytes.
"""

# function -> why the bytes that a step makes do not depend on it. Its text does not count for a digest, neither do
# texts handed to it; what it is called with does.
SAYS: dict[str, str] = {
    "realgap.run.job_log.begin": "when and with which counters a job began, for its log",
    "realgap.run.job_log.log": "where and when a job ran, as one line of its log",
    "realgap.run.cards.claim": "which of the machine's cards a step gets",
    "realgap.run.steps._require_gpu": "a step without the GPU that it was promised stops",
    "realgap.run.steps.progress": "a progress bar; the items pass through it as they are",
    "realgap.run.steps._benchmark": "seconds and memory of a step, as Snakemake's benchmarks",
    "realgap.run.steps._plain": "how an error is worded",
    "realgap.store.files._room": "how a full disk is worded",
    "realgap.store.files.make_again": "what to do about a damaged file, as part of an error",
    "realgap.store.shards._damaged": "how a damaged shard is worded",
    "realgap.store.checkpoints._differences": "how a checkpoint of other options is worded",
    "realgap.store.files.brief": "how what a foreign file says is cut short in an error",
    "scripts.inversion_invert._failure": "how a failed inversion is worded",
}

# Functions whose argument __doc__ is shown with --help alone.
DESCRIBED = ("realgap.run.steps.parse",)

# Tables whose keys stand as texts in the code that looks them up: an entry counts where its key does.
BY_TEXT: dict[str, str] = {
    "realgap.store.shards.LAYOUT": "the kind of a shard is written out where it is read or written",
}
