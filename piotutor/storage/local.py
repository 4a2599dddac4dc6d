"""A directory of a mounted file system, used as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from piotutor.capture.device import UnavailableError, find_device, mount_of
from piotutor.storage import options


@dataclass(frozen=True)
class Local:
    """A directory that needs nothing special: one target, no wrapper, no variables.

    Also what other storages are made of: each overrides what is different there, and has its
    options as fields (`piotutor.storage.options.option`). ``str`` of one is its spec.

    Attributes
    ----------
    path
        The directory; a run gives it the one where its files lie.
    """

    name: ClassVar[str] = "local"
    first_word: ClassVar[str] = ""
    """The option that the first word of a spec may give without its key; empty for none."""

    path: Path = Path()

    def __post_init__(self) -> None:
        options.settle(self)

    def __str__(self) -> str:
        return options.text_of(self.name, self)

    def at(self, path: Path) -> Local:
        """Return the same with another directory."""
        return replace(self, path=path)

    @property
    def kind(self) -> str:
        """The file system's name, such as ``ext4``; ``unknown`` where it isn't told."""
        return mount_of(self.path).kind

    @property
    def env(self) -> Mapping[str, str]:
        """Environment variables that ranks need to use it: none."""
        return {}

    @property
    def argv_prefix(self) -> Sequence[str]:
        """Words before the ranks' program: none."""
        return ()

    @property
    def elsewhere(self) -> bool:
        """Whether ranks on other hosts can use it: yes, where they see the path."""
        return True

    @property
    def routed(self) -> bool:
        """Whether the interposer takes what lies under the path elsewhere: no."""
        return False

    @property
    def interposed(self) -> bool:
        """Whether the interposer must be loaded into ranks: only where it routes."""
        return self.routed

    @property
    def readable(self) -> bool:
        """Whether a run may only read files that are there: not where new ones are laid out."""
        return str(self) == self.name

    @property
    def capacity(self) -> int | None:
        """Bytes that it can hold; None: what is free in the directory."""
        return None

    def need(self) -> None:
        """Raise `UsageError` where it can't be used on this machine."""

    def prepare(self, directory: Path) -> dict[str, Any]:
        """Lay out a run's new directory, and return what is to be known of it: nothing."""
        return {}

    def describe(self) -> dict[str, Any]:
        """Return what is to be known of files that are there already: nothing."""
        return {}

    def service(self, run_dir: Path, files: Sequence[str], temporary: Path) -> list[str]:
        """Return the command of a program that runs beside the ranks: none."""
        return []

    def layout(self) -> dict[str, Any] | None:
        """Return None: the whole file lies on one target."""
        return None

    def counters(self) -> dict[str, int]:
        """Return the bytes written and read by the device below, empty where it isn't seen."""
        try:
            return find_device(self.path).counters()._asdict()
        except (UnavailableError, OSError):
            return {}
