"""Take Debian's or Ubuntu's Ceph without root: download its packages and unpack them.

Usage: ceph.py PREFIX

Nothing is installed in the system. PREFIX is then a small root directory (``usr/bin``,
``usr/lib``): `piotutor.storage.ceph.binaries` finds programs, libraries and plugins in it. Of what
these packages depend on, those are taken that hold a library that this system lacks.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from debian import DEPTH, Apt

PACKAGES = ("ceph-mon", "ceph-osd", "ceph-mds", "ceph-base", "libcephfs2", "librados2")
NEEDED = ("ceph-mon", "ceph-osd", "ceph-mds", "monmaptool")
UNUSED = (
    "apt",
    "etc",
    "var",
    "lib/systemd",
    "lib/udev",
    "usr/share",
    "usr/sbin",
    "usr/lib/python3",
)
ON_EVERY_SYSTEM = re.compile(r"libc6|libgcc-s1|libcrypt\d")


def ceph(prefix: Path) -> None:
    """Unpack all that is needed into PREFIX, anew."""
    part = prefix.with_name(f"{prefix.name}.part")
    for old in (part, prefix):
        shutil.rmtree(old, ignore_errors=True)
    apt = Apt(part / "apt")
    apt.unpack(part, *PACKAGES)
    for plugin in part.glob("usr/lib/*/rados-classes/*"):  # others need more libraries
        if not plugin.name.startswith("libcls_cephfs."):
            plugin.unlink()
    names: set[str] = set(PACKAGES)
    todo = list(PACKAGES)
    for _ in range(DEPTH):
        todo = [name for name in _libraries(apt, todo) if name not in names]
        if not (todo and missing(part)):
            break
        apt.unpack(part, *todo)
        names.update(todo)
    lacking = missing(part)
    if lacking:
        raise SystemExit(f"error: no package found for {', '.join(sorted(lacking))}")
    for unused in UNUSED:
        shutil.rmtree(part / unused, ignore_errors=True)
    part.rename(prefix)


def missing(root: Path) -> set[str]:
    """Return the libraries that what was unpacked needs and the loader can't find."""
    folders = {str(path.parent) for path in root.rglob("lib*.so.*")}
    objects = [root / "usr/bin" / name for name in NEEDED]
    objects += [path for path in root.glob("usr/lib/**/*.so*") if not path.is_symlink()]
    env = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(sorted(folders)), "LC_ALL": "C"}
    command = ["ldd", *map(str, objects)]
    told = subprocess.run(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    return set(re.findall(r"^\s*(\S+) => not found", told.stdout, re.MULTILINE))


def _libraries(apt: Apt, names: list[str]) -> list[str]:
    """Return the packages of libraries that these depend on and that aren't installed."""
    found = (name for name in apt.depends(*names) if name.startswith("lib"))
    return [name for name in found if not ON_EVERY_SYSTEM.match(name) and not _installed(name)]


def _installed(name: str) -> bool:
    command = ["dpkg-query", "-W", "-f=${db:Status-Abbrev}", name]
    told = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return told.stdout.startswith("ii")


def main(prefix: str) -> None:
    """Do it; an error is one line."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise SystemExit("error: this is neither Debian nor Ubuntu (no apt-get, no dpkg-deb)")
    try:
        ceph(Path(prefix).resolve())
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"error: {error.cmd[0]} ended with {error.returncode}") from None


if __name__ == "__main__":
    main(sys.argv[1])
