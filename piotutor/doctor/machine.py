"""The machine: its system, cores, memory, and what a container allows of them."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from piotutor.doctor.capability import Capability, about

_TIERS = {
    "Linux": "",
    "Linux in a container": "device counters and some of the page cache may be hidden",
    "WSL2": "keep data in Linux's own file system (under ~), not under /mnt: that one is remote",
    "macOS": "no view of the page cache, no device counters, no O_DIRECT, no system-call capture",
}
_UNLIMITED = 1 << 60


def tier(
    root: Path = Path("/"), system: str = platform.system(), release: str = platform.release()
) -> str:
    """Name the kind of system: Linux, Linux in a container, WSL2, macOS, or what it calls itself.

    Parameters
    ----------
    root
        Where the file system begins (another one in tests).
    system, release
        What the kernel calls itself.
    """
    if system == "Darwin":
        return "macOS"
    if "microsoft" in release.lower():
        return "WSL2"
    if system == "Linux" and _contained(root):
        return "Linux in a container"
    return system


def _contained(root: Path) -> bool:
    if any((root / mark).exists() for mark in (".dockerenv", "run/.containerenv")):
        return True
    try:
        mounts = (root / "proc/self/mounts").read_text(errors="replace")
    except OSError:
        return False
    return any(line.split()[1:3] == ["/", "overlay"] for line in mounts.splitlines())


def system(_path: Path) -> Capability:
    """Say what it is, and what is lost there."""
    kind = tier()
    lost = _TIERS.get(kind, "not a system that piotutor knows: expect only plain runs to work")
    detail = f"{kind}: {platform.system()} {platform.release()} on {platform.machine()}"
    return Capability("system", kind.startswith("Linux"), detail, lost)


def python(_path: Path) -> Capability:
    """Say which Python runs."""
    detail = f"{platform.python_version()} at {sys.executable}"
    return Capability("Python", sys.version_info >= (3, 10), detail)


def cores(_path: Path) -> Capability:
    """Count the cores that we may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    few = usable is not None and usable < 2
    advice = "with one core ranks take turns: orderings hold, speeds say little" if few else ""
    return Capability("cores", not few, f"{usable} usable of {os.cpu_count()}", advice)


def memory(_path: Path) -> Capability:
    """Say how much memory there is."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if "Available" in line)
        detail = f"{about(available)} available of {about(total)}"
        enough = available >= 1 << 30
    except (OSError, StopIteration):
        detail, enough = about(total), total >= 1 << 30
    advice = "" if enough else "use smaller files: lessons count on 1 GiB"
    return Capability("memory", enough, detail, advice)


def limits(_path: Path) -> Capability:
    """Say what the control group (a container, a hub, a batch job) allows."""
    found = cgroup_limits()
    detail = ", ".join(f"{name}: {value}" for name, value in found.items())
    return Capability("container limits", True, detail or "none")


def cgroup_limits(root: Path = Path("/")) -> dict[str, str]:
    """Read this process's limits of memory and time, in either version of control groups."""
    found: dict[str, str] = {}
    for directory in _cgroups(root):
        size = _number(directory / "memory.max") or _number(directory / "memory.limit_in_bytes")
        if size and size < _UNLIMITED:
            found.setdefault("memory", about(size))
        share = _cpu_share(directory)
        if share:
            found.setdefault("cores", f"{share:g}")
    return found


def _cgroups(root: Path) -> list[Path]:
    """Return the directories of this process's control groups, and those above them."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    base = root / "sys/fs/cgroup"
    found = []
    for line in lines:
        controllers, path = line.split(":", 2)[1:]
        home = base / controllers / path.lstrip("/")
        found += [home, *(above for above in home.parents if above.is_relative_to(base))]
    return found


def _cpu_share(directory: Path) -> float | None:
    try:
        quota, period = (directory / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    used, whole = _number(directory / "cpu.cfs_quota_us"), _number(directory / "cpu.cfs_period_us")
    return used / whole if used and whole and used > 0 else None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


CHECKS = (system, python, cores, memory, limits)
