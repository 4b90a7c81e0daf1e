"""Where a long step stands, kept beside its output until that is complete.

Snakemake deletes a failed job's outputs, so a checkpoint is not an output: it is a hidden file beside it,
written whole, and it names the options it belongs to.
"""

import dataclasses
import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialise

from realgap.store import files

T = TypeVar("T")
EVERY_S = 60.0
STOPS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP)


class Checkpoint:
    """The checkpoint of the step that makes `out` with what `made` says (options, inputs' checksums).

    From its creation on, SIGTERM and SIGUSR1 (what clusters send before they kill), SIGINT (Ctrl-C) and SIGHUP (a
    terminal that closes) lead to a last checkpoint at the next `offer` and to exit code 143. Under nohup, and in the
    background, the latter two are ignored.
    """

    def __init__(self, out: str | Path, made: dict[str, Any], every_s: float = EVERY_S) -> None:
        out = Path(out)
        self.path = out.parent / f".{out.name}.checkpoint.safetensors"
        self.made, self.every_s, self.saved_at = made, every_s, time.monotonic()
        self.told_to_stop = False
        for signum in STOPS:
            if signum in (signal.SIGTERM, signal.SIGUSR1) or signal.getsignal(signum) != signal.SIG_IGN:
                signal.signal(signum, self._stop)

    def load(self, state_class: type[T]) -> T | None:
        """The state last saved, or None when there is none, or one of other options, which is told and starts anew.

        Raises ValueError naming the file when it is damaged.
        """
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, "np") as file:
                card = json.loads(file.metadata()["realgap"])
                made, plain, checksum = (card[name] for name in ("made", "plain", "checksum"))
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, TypeError, KeyError, ValueError, OSError) as error:
            if system := files.system_error(self.path, error):
                raise system from error
            raise ValueError(f"{self.path}: not a complete checkpoint ({error}); delete it to start anew") from error
        if checksum != _digest(arrays, made, plain):
            raise ValueError(f"{self.path}: does not match its checksum; delete it to start anew")
        if made != self.made:
            print(f"starts anew: {self.path} was made with {', '.join(_differences(made, self.made))}", file=sys.stderr)
            return None
        restarts = os.environ.get("REALGAP_RESTARTS", "0")  # of this job by SLURM, which Snakemake does not see
        again = f" (restart {restarts} of SLURM job {os.environ.get('SLURM_JOB_ID')})" if restarts != "0" else ""
        print(f"goes on from {self.path}{again}", file=sys.stderr)
        return state_class(**plain, **arrays)

    def offer(self, state: Callable[[], Any]) -> None:
        """Save what `state()` gives (a dataclass of arrays and numbers) when it is time to; exit when told to."""
        if self.told_to_stop or time.monotonic() - self.saved_at >= self.every_s:
            self.save(state())
        if self.told_to_stop:
            print(f"told to stop; {self.path} holds the state to go on from", file=sys.stderr)
            sys.exit(143)

    def save(self, state: Any) -> None:
        """Save the state now."""
        fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
        arrays = {name: np.ascontiguousarray(v) for name, v in fields.items() if isinstance(v, np.ndarray)}
        plain = {name: value for name, value in fields.items() if name not in arrays}
        card = {"made": self.made, "plain": plain, "checksum": _digest(arrays, self.made, plain)}
        files.write(self.path, serialise(arrays, metadata={"realgap": json.dumps(card)}))
        self.saved_at = time.monotonic()

    def remove(self) -> None:
        """Call when the output is complete."""
        self.path.unlink(missing_ok=True)

    def _stop(self, signum: int, frame: Any) -> None:
        self.told_to_stop = True


def _digest(arrays: dict[str, np.ndarray], made: dict[str, Any], plain: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps([made, plain], sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _differences(then: dict[str, Any], now: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for name in sorted(set(then) | set(now)):
        a, b = then.get(name), now.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            found += _differences(a, b, f"{prefix}{name}.")
        elif a != b:
            found.append(f"{prefix}{name} {a}, now {b}")
    return found
