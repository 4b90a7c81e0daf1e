"""What all studies have released of a data set, in one file beside them; what would go beyond its budget is refused.

The first release of a data set fixes its budget and its neighbouring relation. A release is entered before it is
written, so that none leaves uncounted. The same release made again is entered once.
"""

import contextlib
import fcntl
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

    def spent(self) -> float:
        """The epsilon of all releases together at the budget's delta."""
        return accounting.epsilon(accounting.together(one.multiplier for one in self.releases), self.delta)


def read(path: str | Path) -> Ledger | None:
    """The ledger in a file; None where nothing was released yet. Raises ValueError naming a file that is none."""
    try:
        known = json.loads(Path(path).read_text(encoding="utf-8"))
        return Ledger(**{**known, "releases": tuple(Release(**one) for one in known["releases"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path}: must be a ledger of releases, is not ({type(error).__name__}); take it from a copy: without it "
            "nobody knows what was released"
        ) from error


def with_planned(path: str | Path, budget: Ledger, planned: Iterable[Release]) -> Ledger:
    """The ledger in a file as it would be after these releases; budget: what the study says of it.

    Raises ValueError with one line where that is beyond the budget, or the study's budget is another than the file's.
    """
    ledger = read(path) or replace(budget, releases=())
    for name in ("epsilon", "delta", "neighbours"):
        if (said := getattr(budget, name)) != (known := getattr(ledger, name)):
            raise ValueError(f"config: privacy.{name}: must be {known}, as the ledger {path} has it; got {said}")
    new = [one for one in _once(planned) if not any(_same(one, known) for known in ledger.releases)]
    after = replace(ledger, releases=(*ledger.releases, *new))
    if new and after.spent() > ledger.epsilon * (1 + _ROUNDING):
        raise ValueError(_beyond(path, ledger, new, after))
    return after


def enter(path: str | Path, budget: Ledger, release: Release) -> None:
    """Write a release whose content is known into the ledger, before it is made. Raises as `with_planned`."""
    with _alone(Path(path)):
        after = with_planned(path, budget, [release])
        files.write(path, f"{json.dumps(asdict(after), indent=1)}\n".encode())


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
def _alone(path: Path) -> Iterator[None]:
    """No other job of any study changes the ledger meanwhile; the system frees the lock of a killed one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
