"""What all studies have released of a data set, in one file beside them; what would go beyond its budget is refused.

The first release of a data set fixes its budget and its neighbouring relation. A release is entered before it is
written, so that none leaves uncounted. The same release made again is entered once. A ledger is known by the images of
which something was released: a study that shares one with it extends it, whatever study, folder and classes are called.
"""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from realgap.privacy import accounting
from realgap.store import files

_ROUNDING = 1e-6  # of an epsilon: a budget of exactly what is planned must do


@dataclass(frozen=True)
class Release:
    """One use of the mechanism on all classes of a study."""

    plan: str  # digest of all that is public of it: made again it is the same release, unless the images' bytes differ
    study: str
    source: str
    multiplier: float  # of the noise; of each class, whose images are apart from those of the others
    content: str = ""  # digest of what went in, kept with the images; empty before it is known


@dataclass(frozen=True)
class Ledger:
    epsilon: float  # the budget of all releases together
    delta: float
    neighbours: str
    releases: tuple[Release, ...] = field(default=())
    images: tuple[str, ...] = field(default=())  # names of the images, or of a published data set as a whole

    def spent(self) -> float:
        """The epsilon of all releases together at the budget's delta."""
        return accounting.epsilon(accounting.together(one.multiplier for one in self.releases), self.delta)


def read(path: str | Path) -> Ledger | None:
    """The ledger in a file; None where nothing was released yet. Raises ValueError naming a file that is none."""
    try:
        known = json.loads(Path(path).read_text(encoding="utf-8"))
        releases = tuple(Release(**one) for one in known["releases"])
        return Ledger(**{**known, "releases": releases, "images": tuple(known["images"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path}: must be a ledger of releases, is not ({type(error).__name__}); take it from a copy: without it "
            "nobody knows what was released"
        ) from error


def found(folder: str | Path, images: Iterable[str]) -> Path:
    """The ledger of these images in a folder: the one that shares some with them, or a new one's place.

    Raises ValueError where they are in several, whose releases would have to be added up.
    """
    images = set(images)
    shared = [path for path in sorted(Path(folder).glob("*.json")) if images & set(read(path).images)]
    if len(shared) > 1:
        raise ValueError(
            f"{shared[0]}: must be the only ledger of the study's images, some are in {shared[1]}; put their releases "
            "and images into one of them"
        )
    name = hashlib.sha256("\n".join(sorted(images)).encode()).hexdigest()[:16]
    return shared[0] if shared else Path(folder) / f"{name}.json"


def with_planned(folder: str | Path, budget: Ledger, planned: Iterable[Release]) -> Ledger:
    """The ledger of the budget's images as it would be after these releases; budget: what the study says of it.

    Raises ValueError with one line where that is beyond the budget, or the study's budget is another than the file's.
    """
    path = found(folder, budget.images)
    ledger = read(path) or replace(budget, releases=())
    for name in ("epsilon", "delta", "neighbours"):
        if (said := getattr(budget, name)) != (known := getattr(ledger, name)):
            raise ValueError(f"config: privacy.{name}: must be {known}, as the ledger {path} has it; got {said}")
    new = [one for one in _once(planned) if not any(_same(one, known) for known in ledger.releases)]
    images = tuple(sorted({*ledger.images, *budget.images}))
    after = replace(ledger, releases=(*ledger.releases, *new), images=images)
    if new and after.spent() > ledger.epsilon * (1 + _ROUNDING):
        raise ValueError(_beyond(path, ledger, new, after))
    return after


def enter(folder: str | Path, budget: Ledger, release: Release) -> None:
    """Write a release whose content is known into the ledger, before it is made. Raises as `with_planned`."""
    with _alone(Path(folder)):
        after = with_planned(folder, budget, [release])
        files.write(found(folder, budget.images), f"{json.dumps(asdict(after), indent=1)}\n".encode())


def _same(one: Release, known: Release) -> bool:
    """Whether a release is one that is known; one whose content is not known yet will be, unless something changed."""
    return one.plan == known.plan and (not one.content or one.content == known.content)


def _once(planned: Iterable[Release]) -> list[Release]:
    """Two sources of one study with equal settings make one release: their noise is the same."""
    return list({(one.plan, one.content): one for one in planned}.values())


def _beyond(path: str | Path, ledger: Ledger, new: Sequence[Release], after: Ledger) -> str:
    names = ", ".join(one.source for one in new)
    studies = ", ".join(dict.fromkeys(one.study for one in ledger.releases)) or "no study"
    return (
        f"config: privacy.epsilon: {names} must not be released: of {ledger.epsilon:g} at delta {ledger.delta:g} "
        f"{ledger.spent():.3g} is spent (by {studies}), and with them it would be {after.spent():.3g}; see {path}"
    )


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other job of any study changes a ledger meanwhile; the system frees the lock of a killed one."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
