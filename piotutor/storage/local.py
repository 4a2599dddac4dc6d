"""A directory of a mounted file system, used as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from piotutor.capture.device import UnavailableError, find_device, mount_of


@dataclass(frozen=True)
class Local:
    """A directory that needs nothing special: one target, no wrapper, no variables."""

    path: Path
    env: Mapping[str, str] = field(default_factory=dict)
    argv_prefix: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The file system's name, such as ``ext4``; ``unknown`` where it isn't told."""
        return mount_of(self.path).kind

    def layout(self) -> dict[str, Any] | None:
        """Return None: the whole file lies on one target."""
        return None

    def counters(self) -> dict[str, int]:
        """Return the bytes written and read by the device below, empty where it isn't seen."""
        try:
            return find_device(self.path).counters()._asdict()
        except (UnavailableError, OSError):
            return {}
