"""Where Ceph's programs and libraries are: the system's, or unpacked without root.

``sh setup.sh ceph`` puts the distribution's packages below ``.venv/ceph``, unpacked and not
installed; `Binaries.env` then says where their libraries are.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from piotutor.errors import UsageError

PROGRAMS = ("ceph-mon", "ceph-osd", "ceph-mds", "monmaptool")
LIBRARIES = ("libcephfs.so.2", "librados.so.2")
FIX = (
    "apt-get install ceph-mon ceph-osd ceph-mds libcephfs2 librados2 as root, or: sh setup.sh ceph"
)
"""What to do where something is missing."""


@dataclass(frozen=True)
class Binaries:
    """Ceph's programs and libraries.

    Attributes
    ----------
    programs
        Name of each of `PROGRAMS` to its path.
    libraries
        Name of each of `LIBRARIES` to what the loader is asked for.
    root
        Where the packages were unpacked; None for the system's.
    """

    programs: Mapping[str, str]
    libraries: Mapping[str, str]
    root: Path | None = None

    @property
    def where(self) -> str:
        """Directory of the programs."""
        return str(Path(self.programs["ceph-osd"]).parent)

    @property
    def folders(self) -> list[Path]:
        """Directories of the unpacked libraries; none for the system's."""
        if self.root is None:
            return []
        found = {path.parent for path in self.root.rglob("lib*.so.*")}
        return sorted(path for path in found if path.name != "rados-classes")

    @property
    def env(self) -> dict[str, str]:
        """Variables that every process using them needs from its start."""
        if not self.folders:
            return {}
        before = os.environ.get("LD_LIBRARY_PATH")
        words = [*map(str, self.folders), *([before] if before else [])]
        return {"LD_LIBRARY_PATH": os.pathsep.join(dict.fromkeys(words))}

    def plugins(self) -> dict[str, str]:
        """Return where the daemons find their plugins, as settings; none for the system's."""
        if self.root is None:
            return {}
        places = {"erasure_code_dir": "erasure-code", "osd_class_dir": "rados-classes"}
        found = {
            key: next(self.root.glob(f"usr/lib/**/{name}"), None) for key, name in places.items()
        }
        plugins = {key: str(path) for key, path in found.items() if path}
        if "erasure_code_dir" in plugins:
            plugins["plugin_dir"] = str(Path(plugins["erasure_code_dir"]).parent)
        return plugins


def find(environment: Mapping[str, str] = os.environ) -> Binaries:
    """Find Ceph: named by ``PIOTUTOR_CEPH``, else the system's, else unpacked at ``.venv/ceph``.

    Raises
    ------
    UsageError
        Something is missing; the line says what, and how to get it.
    """
    named = environment.get("PIOTUTOR_CEPH")
    if named:
        return _unpacked(Path(named).expanduser().absolute())
    try:
        return _installed()
    except UsageError:
        default = Path(sys.prefix) / "ceph"
        if default.is_dir():
            return _unpacked(default)
        raise


def _installed() -> Binaries:
    programs = {name: shutil.which(name) for name in PROGRAMS}
    missing = [name for name, path in programs.items() if path is None]
    missing += [name for name in LIBRARIES if not _loadable(name)]
    if missing:
        raise UsageError(f"Ceph isn't here ({missing[0]} is missing): {FIX}")
    return Binaries({k: v for k, v in programs.items() if v}, {name: name for name in LIBRARIES})


def _loadable(name: str) -> bool:
    return ctypes.util.find_library(name[3 : name.index(".so")]) is not None or _opens(name)


def _opens(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _unpacked(root: Path) -> Binaries:
    programs = {name: str(root / "usr/bin" / name) for name in PROGRAMS}
    libraries = {name: str(next(root.glob(f"usr/lib/**/{name}"), "")) for name in LIBRARIES}
    missing = [name for name, path in programs.items() if not os.access(path, os.X_OK)]
    missing += [name for name, path in libraries.items() if not path]
    if missing:
        raise UsageError(f"{root} holds no Ceph ({missing[0]} is missing): {FIX}")
    return Binaries(programs, libraries, root)
