"""Run `python -m scripts.<topic>_<verb>` in a process forked from one that has torch and diffusers imported already.

Importing them takes 5 to 10 s of CPU time, more than many a step of a small study works. While Snakemake
runs steps on its own machine it keeps one server; each step is then a fork of it, with its own working
directory, environment and streams, and no state of another step. Where no server answers, the plain
interpreter runs the step, to the same bytes.

    python -I workflow/warm.py -m scripts.inversion_invert --moments ...    the client that rules call
    python workflow/warm.py serve SOCKET                          the server
"""

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any

PRELOAD = (
    "h5py",
    "jsonschema",
    "safetensors.torch",
    "pytorch_grad_cam.metrics.road",
    "scipy.stats",
    "seaborn",
    "sklearn.datasets",
    "sklearn.linear_model",
    "sklearn.neighbors",
    "torchvision.models",
    "tqdm",
    "diffusers.models.autoencoders.autoencoder_kl",
    "diffusers.models.unets.unet_2d_condition",
    "diffusers.schedulers",
    "transformers.models.clip.modeling_clip",
)
SOCKET = "REALGAP_WARM"
LONGEST_REQUEST = 1 << 24  # bytes


def start() -> None:
    """Start a server that ends with this process, and tell the steps of this process where it is."""
    import shutil
    import subprocess
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="realgap-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # until a step says how many
    command = [sys.executable, str(Path(__file__).resolve()), "serve", str(folder / "socket")]
    with open(folder / "log", "w") as log:
        environment = {**os.environ, **one_thread}
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    atexit.register(server.terminate)
    os.environ[SOCKET] = str(folder / "socket")


def client(arguments: list[str]) -> int:
    """Have the server run `python ARGUMENTS`; replace this process by the plain interpreter when it cannot."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(os.environ[SOCKET])
        request = json.dumps([arguments, os.getcwd(), dict(os.environ)]).encode()
        socket.send_fds(connection, [len(request).to_bytes(4, "big")], [0, 1, 2])
        connection.sendall(request)
    except (KeyError, OSError):
        os.execvp("python", ["python", *arguments])
    told: list[int] = []

    def pass_on(number: int, _frame: object) -> None:
        told.append(number)
        with contextlib.suppress(OSError):  # the server may have been told to end as well
            connection.sendall(bytes([number]))

    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
        if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, pass_on)
    try:
        answer = connection.recv(1)
    except OSError:
        answer = b""
    if answer or told:
        return answer[0] if answer else 128 + told[-1]
    print("error: the process that ran this step is gone; was it killed, for memory perhaps?", file=sys.stderr)
    return 1


def serve(path: str) -> None:
    """Import what steps need, then fork one process a request until the process that started this one is gone."""
    parent = os.getppid()  # before anyone can see the socket: it may be killed then
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(128)
    hang_up = signal.getsignal(signal.SIGHUP)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # steps end for it, then this process
    _preload()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # finished keepers need no burial
    while os.getppid() == parent:
        if select.select([listener], [], [], 1)[0]:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _keep(connection, hang_up)
            connection.close()


def _preload() -> None:
    import gc
    import importlib

    for module in PRELOAD:
        importlib.import_module(module)
    gc.freeze()  # forks share what is never collected


def _keep(connection: socket.socket, hang_up: Any) -> None:
    """Fork the step; pass signals on to it, end it when its client is gone, report its exit code. Never returns.

    hang_up: what SIGHUP does to the step until it says otherwise.
    """
    header, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
    length = int.from_bytes(header, "big")
    if len(descriptors) != 3 or length > LONGEST_REQUEST:
        os._exit(1)
    with connection.makefile("rb", buffering=0) as stream:
        text = b""
        while len(text) < length:
            text += stream.read(length - len(text)) or os._exit(1)
    step = os.fork()
    if step == 0:
        connection.close()
        signal.signal(signal.SIGHUP, hang_up)
        _run(*json.loads(text), descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    finished = os.pidfd_open(step)
    while finished not in (ready := select.select([connection, finished], [], [])[0]):
        number = connection.recv(1) if connection in ready else b""
        os.kill(step, number[0] if number else signal.SIGKILL)
        if not number:
            break
    _, status = os.waitpid(step, 0)
    code = os.waitstatus_to_exitcode(status)
    try:
        connection.sendall(bytes([code if code >= 0 else 128 - code]))
    finally:
        os._exit(0)


def _run(arguments: list[str], folder: str, environment: dict[str, str], descriptors: list[int]) -> None:
    """Become the step, as if this process had been started for it."""
    import runpy
    import traceback

    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    _obey_threads(environment.get("OMP_NUM_THREADS"))
    sys.path[:0] = environment.get("PYTHONPATH", "").split(os.pathsep)
    assert arguments[0] == "-m", arguments
    sys.argv = arguments[1:]
    try:
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        _leave(0)
    except SystemExit as stop:
        if not isinstance(stop.code, int | None):
            print(stop.code, file=sys.stderr)
        _leave(stop.code if isinstance(stop.code, int) else int(stop.code is not None))
    except BaseException:
        traceback.print_exc()
        _leave(1)


def _leave(code: int) -> None:
    """End at once: taking down all that the server imported costs time and fills logs with talk of leaks."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _obey_threads(count: str | None) -> None:
    """OpenMP read its environment when the server started, so the step's own share is set here."""
    import torch

    if count:
        torch.set_num_threads(int(count))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        sys.exit(client(sys.argv[1:]))
