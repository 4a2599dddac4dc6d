"""Places for ranks on a host: at most so many at once, the others wait in turn.

A pool is a directory with one file for each place. A place is taken by locking its file (flock),
so it is given back when its holder ends, however it ends. Only the run that holds the pool's
``turn`` may gather places; runs that have theirs never wait for more in the same pool, and
everyone goes through the pools in one order, so nobody waits in a circle.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from piotutor.errors import UsageError

Pause = Callable[[str], None]
"""Called again and again while waiting, with the reason; raises to give up."""

_TAKEN = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}


@dataclass(frozen=True)
class Pool:
    """Places that some runs share.

    Attributes
    ----------
    directory
        Holds the lock files. Where several users share it, it is made for that by its owner
        (world-writable, sticky).
    count
        How many ranks may run at once.
    shared
        Whether other users take places here too.
    """

    directory: str
    count: int
    shared: bool = False

    def check(self, ranks: int) -> None:
        """Refuse what could never start.

        Raises
        ------
        UsageError
            More ranks than places, or a directory that can't be used.
        """
        if ranks > self.count:
            raise UsageError(
                f"{ranks} ranks can never run at once here: the queue has {self.count} places "
                "(use fewer ranks)"
            )
        if self.shared and not os.access(self.directory, os.W_OK | os.X_OK):
            raise UsageError(
                f"PIOTUTOR_QUEUE_DIR={self.directory} is not a directory that can be written"
            )

    def take(self, ranks: int, held: ExitStack, pause: Pause) -> None:
        """Take a place for each rank, all or none; ``held`` gives them back."""
        if not self.shared:
            Path(self.directory).mkdir(mode=0o700, parents=True, exist_ok=True)
        with ExitStack() as turn, ExitStack() as mine:
            while not self._lock("turn", turn):
                pause(f"another run is waiting before this one for {self._owner} places")
            taken: set[int] = set()
            while True:
                for place in sorted(set(range(self.count)) - taken):
                    if len(taken) < ranks and self._lock(f"place-{place:03d}", mine):
                        taken.add(place)
                if len(taken) >= ranks:
                    held.push(mine.pop_all())
                    return
                pause(
                    f"{ranks} ranks need {self._owner} places, "
                    f"{len(taken)} of {self.count} are free so far"
                )

    @property
    def _owner(self) -> str:
        return "this host's" if self.shared else "your own"

    def _lock(self, name: str, held: ExitStack) -> bool:
        """Lock one file now, or say that someone has it."""
        handle = _open(Path(self.directory) / name)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _TAKEN:
                os.close(handle)
                return False
            # A file system without locks can't keep a queue: better to run than never to start.
        held.callback(os.close, handle)
        return True


@contextlib.contextmanager
def places(pools: Sequence[Pool], ranks: int, pause: Pause) -> Iterator[None]:
    """Hold a place for each rank in every pool, waiting as long as ``pause`` allows.

    Parameters
    ----------
    pools : sequence of Pool
        In the same order in every run: the user's own first, then the host's.
    ranks : int
        Places needed in each.
    pause : callable
        Called with one line saying what is waited for; it waits a moment, and raises to give up.
    """
    with ExitStack() as held:
        for pool in pools:
            pool.take(ranks, held, pause)
        yield


def _open(path: Path) -> int:
    """Open a lock file, made if need be so that every user of the pool can lock it.

    O_CREAT is kept off files that exist: Linux refuses it for others' files in a sticky,
    world-writable directory (fs.protected_regular).
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    with contextlib.suppress(FileExistsError):
        handle = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
        if path.parent.stat().st_mode & 0o002:
            os.fchmod(handle, 0o666)
        return handle
    return os.open(path, flags)
