"""What tests of faults share: steps as processes of their own that can be killed, and a disk that can be full."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

import warm
from realgap.store import checkpoints, shards
from tests import given

# runs a step whose checkpoints are saved at every chance, not once a minute
EAGER = """
import runpy, sys
from realgap.store import checkpoints
checkpoints.Checkpoint.__init__.__defaults__ = (0.0,)
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


class Steps:
    """Steps as a local run starts them: forks of a process that has torch imported (workflow/warm.py)."""

    def __init__(self, folder):
        (folder / "eager.py").write_text(EAGER)
        self.socket = folder / "socket"
        paths = [str(folder), str(Path(warm.__file__).parent)]
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), warm.SOCKET: str(self.socket)}
        command = [sys.executable, warm.__file__, "serve", self.socket]
        self.server = subprocess.Popen(command, env=self.environment)
        while not self.socket.exists():
            time.sleep(0.05)

    def begin(self, module, *arguments, **settings):
        """The client of a step that has begun."""
        command = [sys.executable, "-I", warm.__file__, "-m", module, *map(str, arguments)]
        given = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": self.environment}
        return subprocess.Popen(command, **{**given, **settings})

    def run(self, module, *arguments, **settings):
        """(exit code, what was said) of a step, without the line in which a finished job says where it ran."""
        client = self.begin(module, *arguments, **settings)
        lines = client.communicate()[0].splitlines(keepends=True)
        return client.returncode, "".join(line for line in lines if not line.startswith("realgap job: "))

    def processes(self):
        """The processes of steps that run now."""
        try:
            keepers = psutil.Process(self.server.pid).children()
            return [step for keeper in keepers for step in keeper.children()]
        except psutil.NoSuchProcess:
            return self.processes()

    def kill(self, client, number, after_s):
        """Send a signal to the running step itself after a while; False when it had ended before."""
        time.sleep(after_s)
        running = self.processes()
        if client.poll() is not None or not running:
            client.communicate()
            return False
        for step in running:
            step.send_signal(number)
        psutil.wait_procs(running)
        client.communicate()
        return client.returncode not in (0, 1)

    def close(self):
        self.server.terminate()
        self.server.wait()


@pytest.fixture(scope="session")
def steps(tmp_path_factory):
    running = Steps(tmp_path_factory.mktemp("steps"))
    yield running
    running.close()


class Disk:
    """A file system of its own, of a size that the test chooses, without being root."""

    def __init__(self, folder):
        folder.mkdir()
        inside = f"mount -t tmpfs -o size=4m tmpfs {folder} && echo mounted && exec sh"
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside]
        self.shell = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.shell.stdout.readline() != "mounted\n":
            pytest.skip("needs user namespaces to mount a small file system")
        self.mounted, self.path = folder, Path(f"/proc/{self.shell.pid}/root{folder}")

    def remount(self, option):
        """Change it: "size=100k", "ro", "rw"."""
        self.shell.stdin.write(f"mount -o remount,{option} {self.mounted}; echo $?\n")
        self.shell.stdin.flush()
        assert self.shell.stdout.readline() == "0\n"

    def close(self):
        self.shell.stdin.close()
        self.shell.wait()


@pytest.fixture
def disk(tmp_path):
    made = Disk(tmp_path / "disk")
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _own_signals():
    """Checkpoints set handlers of signals, which must not outlive a test."""
    before = {number: signal.getsignal(number) for number in checkpoints.STOPS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def step_arguments(tmp_path, base_model, invert_arguments, run_step):
    """Of several steps: name -> (module, function from the path of the output to the command line)."""
    run_step("scripts.inversion_invert", *invert_arguments(tmp_path / "embeddings.h5"))
    ids = np.array([4, 9, 2])
    pixels = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3), np.uint8)
    for name, rows, label in (("real", 3, 0), ("a", 24, 0), ("b", 24, 1)):
        arrays = {"images": pixels[:rows], "labels": np.full(rows, label), "variants": np.zeros(rows, np.int32)}
        arrays["image_ids"] = ids if name == "real" else np.arange(rows)
        shards.write(tmp_path / f"{name}.h5", "images", arrays, {"step": "test", "source": "real"})
    both = [tmp_path / "a.h5", tmp_path / "b.h5"]
    many = [Path(shutil.copy(path, tmp_path / f"{path.stem}{n}.h5")) for n in range(20) for path in both]
    shards.write_union(tmp_path / "set.h5", both, {"parts": [["real", 48]], "training_set": "real"})

    compute = {**given.COMPUTE, "seed": 0}
    sampling = {
        **{"source": "diffusion_inversion", "conditioning": "inversion", "class_name": "one", "images": None},
        **{"samples_per_image": 4, "strength": None, "inversion_steps": None, "fresh_noise": 0, "scheduler": "pndm"},
        **{
            "num_inference_steps": 20,
            "guidance_scale": 2.0,
            "guidance_interval": [0, 1],
            "unconditional": "class",
            "embedding_noise": 0.1,
        },
        **{"interpolation_strength": 0.1, "resolution": 16, "image_size": 16, "batch_size": 2, **compute},
    }
    training = {
        **{
            "architecture": "resnet18",
            "stem": "auto",
            "augmentation": [],
            "steps": 6,
            "batch_size": 8,
            "lr": 0.05,
            "warmup": 0.2,
            "momentum": 0.9,
        },
        **{"weight_decay": 0.0005, "label_smoothing": 0.0, "crop_padding": 1, "horizontal_flip": True},
        **{"real_share": 1.0, **compute},
    }

    teaching = {"classes": {"zero": 0}, "words": {"zero": "zero"}, "num_tokens": 2, "rounds": 12, "batch_size": 2}
    teaching |= compute

    def line(files, options=None):
        given = [text for name, path in files.items() for text in (f"--{name}", *map(str, np.atleast_1d(path)))]
        return lambda out: [*given, *(["--options", json.dumps(options)] if options else []), "--out", str(out)]

    model = {"base-model": base_model / "model_index.json", "templates": tmp_path / "templates.txt"}
    shards_of_sampling = {"images": tmp_path / "real.h5", "embeddings": tmp_path / "embeddings.h5"}
    return {
        "invert": ("scripts.inversion_invert", invert_arguments),
        "teach": ("scripts.inversion_teach", line({"moments": tmp_path / "moments.h5", **model}, teaching)),
        "sample": ("scripts.sampling_sample", line({**shards_of_sampling, **model}, sampling)),
        "train": ("scripts.classifier_train", line({"training-set": tmp_path / "set.h5"}, training)),
        "assemble": ("scripts.classifier_assemble", line({"shards": many, "training-set": "real"})),
    }
