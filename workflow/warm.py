"""Run `python -m scripts.<topic>_<verb>` in a process forked from one that has torch and diffusers imported already.

Importing them takes 5 to 10 s of CPU time, more than many a step of a small study works. While Snakemake
runs steps on its own machine it keeps one server; each step is then a fork of it, with its own working
directory, environment and streams, and no state of another step. Where no server answers, the plain
interpreter runs the step, to the same bytes.

In an entry of a cluster's queue that holds several jobs, which run one after another, they share one process: what a
step has loaded, the next one finds (realgap.base_model.families). A step that fails ends that process.

    python -I workflow/warm.py -m scripts.inversion_invert --moments ...    the client that rules call
    python workflow/warm.py serve SOCKET                          the server
    python workflow/warm.py serve-in-turn SOCKET                  the server whose steps share a process
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
from typing import Any, NoReturn

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
IN_TURN = "REALGAP_IN_TURN"  # set in a process that runs one step after another
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)
LONGEST_REQUEST = 1 << 24  # bytes


def start(in_turn: bool = False) -> None:
    """Start a server that ends with this process, and tell the steps of this process where it is.

    in_turn: steps are asked for one after another, and share a process.
    """
    import shutil
    import subprocess
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="realgap-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # until a step says how many
    command = [
        sys.executable,
        str(Path(__file__).resolve()),
        "serve-in-turn" if in_turn else "serve",
        str(folder / "socket"),
    ]
    with open(folder / "log", "w") as log:
        environment = {**os.environ, **one_thread}
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    if not in_turn:  # in turn it ends after this process
        # waited for, so that the time of this process's children holds that of its steps
        atexit.register(server.wait)
    atexit.register(server.terminate)
    os.environ[SOCKET] = str(folder / "socket")


def client(arguments: list[str]) -> int:
    """Have the server run `python ARGUMENTS`; replace this process by the plain interpreter when it cannot."""
    connection = socket.socket(socket.AF_UNIX)
    # a step may be told to end before this process can pass that on
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    try:
        connection.connect(os.environ[SOCKET])
        request = json.dumps([arguments, os.getcwd(), dict(os.environ)]).encode()
        socket.send_fds(connection, [len(request).to_bytes(4, "big")], [0, 1, 2])
        connection.sendall(request)
    except (KeyError, OSError):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        os.execvp("python", ["python", *arguments])
    told: list[int] = []

    def pass_on(number: int, _frame: object) -> None:
        told.append(number)
        with contextlib.suppress(OSError):  # the server may have been told to end as well
            connection.sendall(bytes([number]))

    for signum in PASSED_ON:
        if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    try:
        answer = connection.recv(1)
    except OSError:
        answer = b""
    if answer or told:
        return answer[0] if answer else 128 + told[-1]
    print("error: the process that ran this step is gone; was it killed, for memory perhaps?", file=sys.stderr)
    return 1


def serve(path: str, in_turn: bool = False) -> None:
    """Import what steps need, then run a step a request until the process that started this one is gone.

    Each step is a process of its own, or, in turn, all are one for as long as none fails.
    """
    parent = os.getppid()  # before anyone can see the socket: it may be killed then
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(128)
    hang_up = signal.getsignal(signal.SIGHUP)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # steps end for it, then this process
    if in_turn:  # a cluster tells all processes of an entry to end: the step saves its state first
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    _preload()
    worker = Worker(hang_up) if in_turn else None
    if worker is None:
        signal.signal(signal.SIGCHLD, _bury)
    while os.getppid() == parent:
        if select.select([listener], [], [], 1)[0]:
            connection, _ = listener.accept()
            if worker is not None:
                worker.serve(connection)
            elif os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _keep(connection, hang_up)
            connection.close()


def _bury(_number: int, _frame: object) -> None:
    """The keepers that have ended. With their time that of their steps becomes this process's children's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _preload() -> None:
    import gc
    import importlib

    for module in PRELOAD:
        importlib.import_module(module)
    gc.freeze()  # forks share what is never collected


def _keep(connection: socket.socket, hang_up: Any) -> None:
    """Fork the step, follow it, report its exit code. Never returns.

    hang_up: what SIGHUP does to the step until it says otherwise.
    """
    try:
        text, descriptors = _request(connection)
    except ConnectionError:
        os._exit(1)
    step = os.fork()
    if step == 0:
        connection.close()
        signal.signal(signal.SIGHUP, hang_up)
        _leave(_run(*json.loads(text), descriptors))
    for descriptor in descriptors:
        os.close(descriptor)
    _follow(connection, step, os.pidfd_open(step))
    try:
        connection.sendall(bytes([_buried(step)]))
    finally:
        os._exit(0)


class Worker:
    """A process that runs one step after another, forked for the first of them and after each that failed."""

    def __init__(self, hang_up: Any) -> None:
        self.hang_up = hang_up
        self.process, self.channel = 0, None  # no process yet

    def serve(self, connection: socket.socket) -> None:
        """Run what a client asks for to its end and tell the client its exit code."""
        if self.process and os.waitpid(self.process, os.WNOHANG)[0]:  # killed between two steps
            self.process = 0
        with contextlib.suppress(ConnectionError):
            self.process = self.process or self._fork(connection)  # before it could inherit the step's streams
            text, descriptors = _request(connection)
            socket.send_fds(self.channel, [len(text).to_bytes(4, "big")], descriptors)
            self.channel.sendall(text)
            for descriptor in descriptors:
                os.close(descriptor)
            _follow(connection, self.process, self.channel)
            code = (self.channel.recv(1) or b"\1")[0]
            if code:
                code, self.process = max(code, _buried(self.process)), 0
            connection.sendall(bytes([code]))

    def _fork(self, connection: socket.socket) -> int:
        self.channel, theirs = socket.socketpair()
        process = os.fork()
        if process == 0:
            self.channel.close()
            connection.close()
            _work(theirs, self.hang_up)
        theirs.close()
        return process


def _work(channel: socket.socket, hang_up: Any) -> None:
    """Run the steps that the server passes on, each as if this process had been started for it. Never returns."""
    usual = {signal.SIGTERM: signal.SIG_DFL, signal.SIGUSR1: signal.SIG_DFL, signal.SIGHUP: hang_up}
    code = 0
    while not code:
        for number, handler in usual.items():
            signal.signal(number, handler)
        try:
            text, descriptors = _request(channel)
        except ConnectionError:  # the server is gone
            break
        arguments, folder, environment = json.loads(text)
        code = _run(arguments, folder, {**environment, IN_TURN: "1"}, descriptors) & 255
        _let_go()
        channel.sendall(bytes([code]))
    _leave(code)


def _let_go() -> None:
    """Of the finished step: its log, and memory that nothing holds."""
    import gc

    import torch

    sys.stdout.flush()
    sys.stderr.flush()
    nothing = os.open(os.devnull, os.O_RDWR)
    for target in range(3):
        os.dup2(nothing, target)
    os.close(nothing)
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _request(connection: socket.socket) -> tuple[bytes, list[int]]:
    """What to run, as `client` sends it, and the step's streams. Raises ConnectionError when it does not come whole."""
    header, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
    length = int.from_bytes(header, "big")
    if len(descriptors) != 3 or length > LONGEST_REQUEST:
        raise ConnectionError
    text = b""
    while len(text) < length:
        more = connection.recv(length - len(text))
        if not more:
            raise ConnectionError
        text += more
    return text, descriptors


def _follow(connection: socket.socket, step: int, finished: Any) -> None:
    """Until `finished` can be read: pass signals on to a step, and end it when its client is gone."""
    while finished not in (ready := select.select([connection, finished], [], [])[0]):
        number = connection.recv(1) if connection in ready else b""
        os.kill(step, number[0] if number else signal.SIGKILL)
        if not number:
            break


def _buried(step: int) -> int:
    """The exit code of a process that has ended, as a shell has it."""
    _, status = os.waitpid(step, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _run(arguments: list[str], folder: str, environment: dict[str, str], descriptors: list[int]) -> int:
    """Become the step, as if this process had been started for it; returns its exit code."""
    import runpy
    import traceback

    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    _obey_threads(environment.get("OMP_NUM_THREADS"))
    paths = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [path for path in paths if path not in sys.path]
    assert arguments[0] == "-m", arguments
    sys.argv = arguments[1:]
    try:
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        if not isinstance(stop.code, int | None):
            print(stop.code, file=sys.stderr)
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _leave(code: int) -> NoReturn:
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
    if sys.argv[1] in ("serve", "serve-in-turn"):
        serve(sys.argv[2], in_turn=sys.argv[1] == "serve-in-turn")
    else:
        sys.exit(client(sys.argv[1:]))
