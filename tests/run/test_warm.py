"""workflow/warm.py: a step run by the server is the step that the plain interpreter runs, only sooner."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import warm
from realgap.store import checkpoints, shards

WARM = Path(warm.__file__)
IMPORT_WARM = f"import os, sys; sys.path.insert(0, {str(WARM.parent)!r}); import warm; "
STEPS = {
    "tell": """
        import atexit, json, os, sys, seen
        atexit.register(print, "left")
        told = {"argv": sys.argv[1:], "name": __name__, "folder": os.getcwd(), "word": os.environ.get("WORD")}
        told |= {"stdin": sys.stdin.read(), "seen": list(seen.SEEN), "file": __file__}
        seen.SEEN.append(1)
        os.environ["WORD"] = "of another step"
        print(json.dumps(told))
        print("to stderr", file=sys.stderr)
        """,
    "seen": "SEEN = []",
    "leave": "import sys; sys.exit(json.loads(sys.argv[1]))",
    "fail": "raise ZeroDivisionError('by nothing')",
    "die": "import os; os.kill(os.getpid(), 9)",
    "catch": """
        import signal, sys, time
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
            signal.signal(number, lambda number, _: sys.exit(number))
        print("ready", flush=True)
        time.sleep(60)
        """,
    "sleep": "import os, time; print(os.getpid(), flush=True); time.sleep(60)",
    "threads": "import torch; print(torch.get_num_threads())",
    "burn": "import time\nwhile time.process_time() < 1: pass",
    "count": "import os, seen; seen.SEEN.append(1); print(len(seen.SEEN), os.getpid(), os.getppid())",
    "work": """
        import time
        from realgap.run import steps
        def main():
            args, _ = steps.parse("A step.", megabytes={"type": int}, seconds={"type": float})
            held, end = bytes([1]) * (args.megabytes << 20), time.process_time() + args.seconds
            while time.process_time() < end:
                pass
        steps.run(main)
        """,
    "load": """
        import sys
        import torch
        from realgap.base_model import autoencoder, denoiser
        for part in (autoencoder, denoiser):
            network = part.load(sys.argv[1], torch.device("cpu"), getattr(torch, sys.argv[2]))
            print(hasattr(network, "of_a_step_before"))
            network.of_a_step_before = True
        """,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The socket of a server with everything imported."""
    path = tmp_path_factory.mktemp("warm") / "socket"
    process = subprocess.Popen([sys.executable, WARM, "serve", path])
    wait_for(path.exists)
    yield str(path)
    process.terminate()
    process.wait()


@pytest.fixture
def in_turn(tmp_path):
    """The socket of a server whose steps share a process; it imports nothing beforehand."""
    serve = IMPORT_WARM + f"warm.PRELOAD = ('torch',); warm.serve({str(tmp_path / 'turn')!r}, in_turn=True)"
    process = subprocess.Popen([sys.executable, "-c", serve])
    wait_for((tmp_path / "turn").exists)
    yield str(tmp_path / "turn")
    process.kill()
    process.wait()


@pytest.fixture
def steps(tmp_path):
    """A folder of small steps to run."""
    folder = tmp_path / "steps"
    folder.mkdir()
    for name, code in STEPS.items():
        lines = code.strip("\n").splitlines()
        indent = len(lines[0]) - len(lines[0].lstrip())
        (folder / f"{name}.py").write_text("import json\n" + "\n".join(line[indent:] for line in lines))
    return folder


def wait_for(happened, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < end, "waited for too long"
        time.sleep(0.01)


def environment(steps, socket_path, **more):
    """Of a client; without a socket it runs the plain interpreter."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    chosen = {"PATH": path, "PYTHONPATH": str(steps), **more}
    return {**chosen, warm.SOCKET: socket_path} if socket_path else chosen


def command(*arguments):
    return [sys.executable, "-I", str(WARM), "-m", *map(str, arguments)]


def run(steps, socket_path, *arguments, cwd=None, stdin="", **more):
    settings = {"capture_output": True, "text": True, "input": stdin, "cwd": cwd}
    return subprocess.run(command(*arguments), env=environment(steps, socket_path, **more), **settings)


def begin(steps, socket_path, *arguments):
    """A step in the background that has said its first line: (client, line)."""
    client = subprocess.Popen(
        command(*arguments), env=environment(steps, socket_path), stdout=subprocess.PIPE, text=True
    )
    return client, client.stdout.readline().strip()


@pytest.mark.long
def test_a_step_has_its_own_arguments_folder_environment_and_streams(server, steps, tmp_path):
    told = []
    for socket_path in (server, None):
        done = run(steps, socket_path, "tell", "a b", "", "--ü", cwd=tmp_path, stdin="in\nput", WORD="a word")
        assert (done.returncode, done.stderr) == (0, "to stderr\n")
        line, after = done.stdout.splitlines()
        assert after == "left"  # atexit functions run
        told.append(json.loads(line))
    assert told[0] == told[1]
    assert told[0]["argv"] == ["a b", "", "--ü"]
    assert (told[0]["name"], told[0]["folder"], told[0]["stdin"]) == ("__main__", str(tmp_path), "in\nput")
    assert told[0]["word"] == "a word"


def test_a_step_sees_no_state_of_another_step(server, steps):
    for _ in range(2):
        told = json.loads(run(steps, server, "tell").stdout.splitlines()[0])
        assert (told["seen"], told["word"]) == ([], None)


def test_steps_of_another_checkout_are_its_own(server, steps, tmp_path):
    steps.rename(tmp_path / "elsewhere")
    told = json.loads(run(tmp_path / "elsewhere", server, "tell").stdout.splitlines()[0])
    assert told["file"] == str(tmp_path / "elsewhere" / "tell.py")


@pytest.mark.long
@pytest.mark.parametrize("stop", [0, 1, 3, 143, 255, None, "a line"])
def test_exit_codes_and_last_words_are_those_of_the_plain_interpreter(server, steps, stop):
    warmed, plain = (run(steps, where, "leave", json.dumps(stop)) for where in (server, None))
    assert (warmed.returncode, warmed.stdout, warmed.stderr) == (plain.returncode, plain.stdout, plain.stderr)
    assert warmed.returncode == (stop if isinstance(stop, int) else int(stop is not None))


def test_an_error_is_a_traceback_and_exit_1(server, steps):
    done = run(steps, server, "fail")
    assert done.returncode == 1
    assert done.stderr.endswith("ZeroDivisionError: by nothing\n")


def test_a_step_that_is_killed_looks_as_a_shell_would_say_it(server, steps):
    assert run(steps, server, "die").returncode == 128 + signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP])
def test_a_signal_to_the_client_reaches_the_step(server, steps, number):
    client, line = begin(steps, server, "catch")
    assert line == "ready"
    client.send_signal(number)
    assert client.wait(30) == number


def test_a_hang_up_is_ignored_under_nohup(server, steps):
    client = subprocess.Popen(
        ["nohup", *command("sleep")], env=environment(steps, server), stdout=subprocess.PIPE, text=True
    )
    client.stdout.readline()
    client.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert client.poll() is None
    client.kill()
    client.wait()


@pytest.mark.parametrize("ends", ["before the answer", "with the signal", "without a word"])
def test_a_client_whose_server_ends_says_so_in_one_line(steps, tmp_path, ends):
    """A group of processes is told to stop: the server goes while its client waits, or before it can pass it on."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        client = subprocess.Popen(command("sleep"), env=environment(steps, str(path)), **settings)
        connection, _ = listener.accept()
        connection.recv(4)
        wait_for(lambda: len(connection.recv(1 << 20, socket.MSG_PEEK)) > 100)
        time.sleep(0.3)  # the client waits for an answer by now
        if ends == "before the answer":
            client.terminate()
            time.sleep(0.3)
        connection.close()  # unread bytes make it a reset
        if ends == "with the signal":
            with contextlib.suppress(ProcessLookupError):
                client.terminate()
        out, said = client.communicate(timeout=30)
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 1
    assert out == ""
    if ends == "before the answer":
        assert (client.returncode, said) == (128 + signal.SIGTERM, "")
    elif ends == "without a word":
        assert client.returncode == 1
        assert said.startswith("error: the process that ran this step is gone")


def test_the_step_is_killed_when_its_client_dies(server, steps):
    client, pid = begin(steps, server, "sleep")
    assert Path("/proc", pid).exists()
    client.kill()
    client.wait()
    wait_for(lambda: not Path("/proc", pid).exists())


def test_steps_run_side_by_side(server, steps):
    clients = [begin(steps, server, "sleep") for _ in range(5)]
    assert len({pid for _, pid in clients}) == 5
    for client, _ in clients:
        assert client.poll() is None
        client.terminate()
        assert client.wait(30) == 128 + signal.SIGTERM


def test_a_step_has_the_threads_it_was_given(server, steps):
    for count in ("1", "2"):
        assert run(steps, server, "threads", OMP_NUM_THREADS=count).stdout.strip() == count


def test_a_long_command_line_arrives_whole(server, steps):
    words = ["x" * 1000] * 500
    assert json.loads(run(steps, server, "tell", *words).stdout.splitlines()[0])["argv"] == words


def test_the_plain_interpreter_runs_the_step_when_no_server_answers(steps, tmp_path):
    stale = tmp_path / "stale"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(stale))
    for where in (None, str(tmp_path / "never"), str(stale), str(tmp_path / ("long" * 50))):
        done = run(steps, where, "leave", "3")
        assert (done.returncode, done.stderr) == (3, "")


def test_a_step_writes_the_bytes_that_the_plain_interpreter_writes(server, tmp_path):
    options = {"dataset": "digits", "split": "train", "classes": {"three": 3}, "start": 0, "stop": 5}
    options |= {"validation_images_per_class": 0, "test_images_per_class": None, "image_size": 16, "seed": 0}
    options = json.dumps(options)
    for where, name in ((server, "warm.h5"), (None, "plain.h5")):
        done = run(WARM.parent, where, "scripts.data_extract", "--options", options, "--out", tmp_path / name)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert re.fullmatch(r"realgap job: \{.*\}\n", done.stderr)
    assert (tmp_path / "warm.h5").read_bytes() == (tmp_path / "plain.h5").read_bytes()
    assert len(shards.read(tmp_path / "warm.h5", "images")) == 5


@pytest.mark.long
def test_a_step_told_to_stop_goes_on_to_the_same_bytes(server, tmp_path, invert_arguments, run_step):
    handlers = {number: signal.getsignal(number) for number in checkpoints.STOPS}
    run_step("scripts.inversion_invert", *invert_arguments(tmp_path / "reference.h5"))
    for number, handler in handlers.items():
        signal.signal(number, handler)

    out = tmp_path / "stopped.h5"
    client = subprocess.Popen(
        command("scripts.inversion_invert", *invert_arguments(out)),
        env=environment(WARM.parent, server, OMP_NUM_THREADS=os.environ["OMP_NUM_THREADS"]),
        stderr=subprocess.PIPE,
    )
    said = b""
    while b"inverting" not in said:  # the progress bar, which has no line ends
        said += os.read(client.stderr.fileno(), 1000) or pytest.fail(said.decode())
    client.terminate()
    assert client.wait(60) == 143
    assert not out.exists()

    assert (
        run(WARM.parent, server, "scripts.inversion_invert", *invert_arguments(out), OMP_NUM_THREADS="1").returncode
        == 0
    )
    assert out.read_bytes() == (tmp_path / "reference.h5").read_bytes()


def test_the_server_ends_with_the_process_that_started_it(tmp_path):
    serve = IMPORT_WARM + f"warm.PRELOAD = (); warm.serve({str(tmp_path / 'socket')!r})"
    parent = "import subprocess, sys, time; s = subprocess.Popen([sys.executable, '-c', sys.argv[1]]); "
    parent = subprocess.Popen(
        [sys.executable, "-c", parent + "print(s.pid, flush=True); time.sleep(60)", serve],
        stdout=subprocess.PIPE,
        text=True,
    )
    pid = parent.stdout.readline().strip()
    wait_for((tmp_path / "socket").exists)
    parent.kill()
    parent.wait()
    wait_for(lambda: not Path("/proc", pid).exists() or "Z" in Path("/proc", pid, "stat").read_text().split()[2])


def test_the_time_of_a_step_is_in_that_of_the_servers_children(steps, tmp_path):
    """And so in what `time snakemake` tells."""
    serve = IMPORT_WARM + f"warm.PRELOAD = (); warm.serve({str(tmp_path / 'socket')!r})"
    server = subprocess.Popen([sys.executable, "-c", serve])
    wait_for((tmp_path / "socket").exists)
    assert run(steps, str(tmp_path / "socket"), "burn").returncode == 0
    wait_for(lambda: psutil.Process(server.pid).cpu_times().children_user > 0.5, timeout_s=10)
    server.terminate()
    server.wait()


def test_start_tells_steps_where_the_server_is_and_leaves_nothing_behind():
    waited = "lambda: print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 0)"
    code = IMPORT_WARM + f"import atexit, resource; atexit.register({waited}); "
    code += "warm.start(); print(os.environ[warm.SOCKET])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    path, server_was_waited_for = done.stdout.split()
    path = Path(path)
    assert path.name == "socket"
    assert server_was_waited_for == "True"
    assert not path.parent.exists()


def test_everything_that_is_imported_beforehand_exists():
    import importlib.util

    assert all(importlib.util.find_spec(module) for module in warm.PRELOAD)


# several steps in one process


def test_in_turn_steps_share_a_process_until_one_fails(steps, in_turn):
    first, second = (run(steps, in_turn, "count").stdout.split() for _ in range(2))
    assert (first[0], second) == ("1", ["2", *first[1:]])
    assert run(steps, in_turn, "fail").stderr.endswith("ZeroDivisionError: by nothing\n")
    third = run(steps, in_turn, "count").stdout.split()
    assert third[0] == "1"
    assert third[1] != first[1]
    for code in (3, 143, 255):
        assert run(steps, in_turn, "leave", str(code)).returncode == code
    assert run(steps, in_turn, "die").returncode == 128 + signal.SIGKILL
    assert run(steps, in_turn, "count").stdout.split()[0] == "1"


def test_in_turn_too_a_step_has_its_own_arguments_folder_environment_and_streams(steps, in_turn, tmp_path):
    for number, word in enumerate(("a word", None)):
        more = {"WORD": word} if word else {}
        done = run(steps, in_turn, "tell", f"number {number}", cwd=tmp_path, stdin=f"{number}", **more)
        assert (done.returncode, done.stderr) == (0, "to stderr\n")
        told = json.loads(done.stdout)
        assert (told["argv"], told["word"], told["folder"]) == ([f"number {number}"], word, str(tmp_path))
        assert (told["name"], told["stdin"]) == ("__main__", f"{number}")
    for count in ("1", "2"):
        assert run(steps, in_turn, "threads", OMP_NUM_THREADS=count).stdout.strip() == count


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP])
def test_in_turn_a_signal_to_all_processes_reaches_the_step_which_ends_as_it_will(steps, in_turn, number):
    worker, server = run(steps, in_turn, "count").stdout.split()[1:]
    client, line = begin(steps, in_turn, "catch")
    assert line == "ready"
    for process in (int(server), int(worker), client.pid):
        os.kill(process, number)
    assert client.wait(30) == number
    assert run(steps, in_turn, "count").stdout.split()[2] == server


def test_in_turn_a_step_is_killed_when_its_client_dies_and_the_next_runs(steps, in_turn):
    client, pid = begin(steps, in_turn, "sleep")
    client.kill()
    client.wait()
    wait_for(lambda: not Path("/proc", pid).exists())
    assert run(steps, in_turn, "count").stdout.split()[0] == "1"


def test_in_turn_a_process_that_was_killed_between_two_steps_is_replaced(steps, in_turn):
    worker = int(run(steps, in_turn, "count").stdout.split()[1])
    os.kill(worker, signal.SIGKILL)
    time.sleep(0.5)
    assert run(steps, in_turn, "count").stdout.split()[0] == "1"


@pytest.mark.long
def test_in_turn_a_base_model_is_loaded_once(steps, in_turn, base_model):
    path = {"PYTHONPATH": f"{steps}:{WARM.parent}"}
    told = [run(steps, in_turn, "load", base_model, "float32", **path).stdout.split() for _ in range(2)]
    assert told == [["False"] * 2, ["True"] * 2]
    assert run(steps, in_turn, "load", base_model, "bfloat16", **path).stdout.split() == ["False"] * 2
    forked = [run(steps, None, "load", base_model, "float32", **path).stdout.split() for _ in range(2)]
    assert forked == [["False"] * 2] * 2


def test_in_turn_a_step_measures_its_own_time_and_memory(steps, in_turn, tmp_path):
    measured = []
    for megabytes, seconds in ((300, 1.5), (1, 0.0)):
        command = ["work", "--megabytes", megabytes, "--seconds", seconds, "--benchmark", tmp_path / "measured.tsv"]
        assert run(steps, in_turn, *command, PYTHONPATH=f"{steps}:{WARM.parent}").returncode == 0
        names, values = (line.split("\t") for line in (tmp_path / "measured.tsv").read_text().splitlines())
        measured.append(dict(zip(names, values, strict=True)))
    first, second = ({name: float(one[name]) for name in ("s", "cpu_time", "max_rss")} for one in measured)
    assert first["s"] >= first["cpu_time"] >= 1.5
    assert second["cpu_time"] < 1.5
    assert second["s"] < first["s"]
    assert second["max_rss"] < first["max_rss"] - 250


@pytest.mark.long
def test_in_turn_a_step_writes_the_bytes_that_the_plain_interpreter_writes(
    in_turn, tmp_path, invert_arguments, run_step
):
    run_step("scripts.inversion_invert", *invert_arguments(tmp_path / "plain.h5"))
    for name in ("first.h5", "second.h5"):
        done = run(WARM.parent, in_turn, "scripts.inversion_invert", *invert_arguments(tmp_path / name))
        assert done.returncode == 0, done.stderr
        assert (tmp_path / name).read_bytes() == (tmp_path / "plain.h5").read_bytes()
