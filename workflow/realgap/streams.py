"""One random stream per item, so that no number depends on a batch, a shard, a worker or a device.

A stream is named by what it is for and by the item it belongs to; two names never share numbers, and
the same name gives the same numbers on every machine (Philox is counter-based and specified bit for
bit: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
"""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np


def stream(seed: int, purpose: str, *item: int | str) -> np.random.Generator:
    """A generator of its own for (seed, purpose, item), e.g. `stream(0, "latents", image_id, variant)`."""
    # plain ints: repr(numpy.int64(3)) differs between numpy versions
    name = "/".join([str(int(seed)), purpose, *(i if isinstance(i, str) else str(int(i)) for i in item)])
    key = int.from_bytes(blake2b(name.encode(), digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))


def normal(streams: Iterable[np.random.Generator], shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal float32, (len(streams), *shape); row i is drawn from stream i only."""
    return np.stack([s.standard_normal(shape, dtype=np.float32) for s in streams])


def ranks(seed: int, purpose: str, items: Iterable[int]) -> np.ndarray:
    """A random uint64 per item, (n,): sorting by it shuffles, and the order of two items ignores all others."""
    names = (f"{int(seed)}/{purpose}/{int(item)}" for item in items)
    digests = [blake2b(name.encode(), digest_size=8).digest() for name in names]
    return np.array([int.from_bytes(digest, "little") for digest in digests], dtype=np.uint64)
