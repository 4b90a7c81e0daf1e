"""Limits of the machine under which no step can start, said before the first one does. Imports nothing heavy."""

import resource

LEAST_ADDRESS_SPACE = 8_000_000_000  # bytes: with torch and diffusers imported a step on a CPU maps 4 to 5 GB


def check() -> None:
    """Raise ValueError where `ulimit -v` leaves too little for a step's libraries, whose errors would not say so."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY and soft < LEAST_ADDRESS_SPACE:
        least = LEAST_ADDRESS_SPACE // 1024
        raise ValueError(f"ulimit -v: must be unlimited or at least {least} (kB); got {soft // 1024}")
