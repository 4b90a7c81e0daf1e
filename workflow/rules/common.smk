# The names of files, which shards there are, and which options a rule sees. Nothing here touches data.
import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, f"{workflow.basedir}/workflow")
from realgap import config as configuration
from realgap import provenance

sys.path.pop(0)

try:
    configuration.check(config)
except ValueError as error:
    sys.exit(str(error))

OUT = f"results/{config['study']}"
DATASET = config["dataset"]
BASE_MODEL = config["base_model"]["path"]
# what the model is, not when its files were written: a checkout or a copy must not invalidate weeks of work
BASE_MODEL_FINGERPRINT = provenance.fingerprint(BASE_MODEL)
GENERATORS = ["stable_diffusion", "diffusion_inversion"]

# A step is `python -m scripts.<verb>`; relative, so that two checkouts of the same code agree.
# workflow/warm.py runs the same command in an interpreter that has its imports behind it.
shell.prefix(
    "set -euo pipefail; export PYTHONPATH=workflow; "
    'python() {{ if [ -n "${{REALGAP_WARM:-}}" ]; then command python -I workflow/warm.py "$@"; '
    'else command python "$@"; fi; }}; '
)


wildcard_constraints:
    class_name="|".join(map(re.escape, DATASET["classes"])),
    shard=r"\d+",
    source="|".join(GENERATORS),
    training_set="|".join(map(re.escape, config["training_sets"])),
    seed=r"\d+",


def shard_count():
    """Shards of one class: a class too big for one job is cut into several."""
    return -(-DATASET["images_per_class"] // DATASET["images_per_shard"])


def span(shard):
    """The numbers (start, stop) of a shard's images within its class."""
    start = int(shard) * DATASET["images_per_shard"]
    return start, min(start + DATASET["images_per_shard"], DATASET["images_per_class"])


def class_shards(pattern, class_names, **wildcards):
    """A file per class and shard, e.g. class_shards(OUT + "/real/{class_name}/{shard}.h5", ["three"])."""
    return expand(pattern, class_name=class_names, shard=range(shard_count()), **wildcards)


def options(*sections, **more):
    """What a step sees of the config, as JSON with sorted keys: their order in the file invalidates nothing."""
    chosen = {key: value for section in sections for key, value in section.items()}
    return json.dumps({**chosen, **more}, sort_keys=True)


def without(section, *keys):
    return {key: value for key, value in section.items() if key not in keys}


def start_warm_server():
    """Let the steps of a run on this machine start in moments; without it they are slower and the same."""
    if not workflow.local_exec or workflow.deployment_settings.deployment_method:
        return
    folder = tempfile.mkdtemp(prefix="realgap-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with open(f"{folder}/log", "w") as log:
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        server = subprocess.Popen(
            [sys.executable, f"{workflow.basedir}/workflow/warm.py", "serve", f"{folder}/socket"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **threads},
        )
    atexit.register(server.terminate)
    os.environ["REALGAP_WARM"] = f"{folder}/socket"
