"""Storage that can be had here beside the mounted file systems."""

from __future__ import annotations

from pathlib import Path

from piotutor.capture import UnavailableError
from piotutor.doctor.capability import Capability, about, ask
from piotutor.errors import UsageError
from piotutor.programs import first_line
from piotutor.storage import namespaces
from piotutor.storage.ceph import Ceph, binaries, room


def ceph(_path: Path) -> Capability:
    """Look for a Ceph that can be started on this machine, and for the memory that it takes."""
    try:
        found = binaries.find()
    except UsageError as error:
        missing = str(error).removesuffix(f": {binaries.FIX}")
        lost = "a real striped file system on this machine"
        return Capability("ceph", False, missing, f"{binaries.FIX} ({lost})")
    words = [f"{name}={text}" for name, text in found.env.items()]
    fine, answer = ask(["env", *words, found.programs["ceph-osd"], "--version"])
    if not fine:
        return Capability("ceph", False, f"{found.programs['ceph-osd']}: {answer}", binaries.FIX)
    version = " ".join(first_line(answer).split()[:3])
    return _with_room(f"{version} in {found.where}")


def _with_room(found: str) -> Capability:
    usual = Ceph()
    size = room.base(usual.osds + 1, usual.objectstore)
    detail = f"{found}; with {usual.osds} OSDs it takes about {about(size)} of memory"
    try:
        room.check(usual.osds + 1, usual.objectstore)
    except UsageError as error:
        return Capability("ceph", False, detail, str(error))
    return Capability("ceph", True, detail)


def slowed_servers(_path: Path) -> Capability:
    """Try a network of one's own, in which each server can have a rate."""
    try:
        way = namespaces.find()
    except UnavailableError as why:
        fix = "rate and slow of --storage ceph are refused; delay=0.02@1 slows a server too"
        return Capability("slowed servers", False, str(why), fix)
    kind = "user and network namespaces" if way.user else "network namespaces"
    return Capability("slowed servers", True, f"a rate for each server, by tc in {kind}")


CHECKS = (ceph, slowed_servers)
