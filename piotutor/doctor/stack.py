"""MPI, MPI-IO and HDF5: asked by starting them, never by their names alone."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from piotutor import rundir, runner, storage
from piotutor.doctor.capability import Capability, ask
from piotutor.errors import PiotutorError
from piotutor.launch.local import Local
from piotutor.programs import first_line
from piotutor.workload import Workload

_TIMEOUT = 30.0
_ASK_H5PY = """
import json, h5py
version = h5py.version
print(json.dumps({"h5py": version.version, "hdf5": version.hdf5_version,
                  "mpi": bool(h5py.get_config().mpi)}))
"""
_ASK_LOADED = r"""
import json, os, re
import mpi4py
mpi4py.rc.initialize = False
from mpi4py import MPI
try:
    import h5py
except ImportError:
    pass
with open("/proc/self/maps") as maps:
    paths = {os.path.realpath(line.split(maxsplit=5)[-1].strip()) for line in maps if "/" in line}
print(json.dumps(sorted(p for p in paths if re.search(r"/lib(mpi|mpich|mpi_abi)\.so", p))))
"""
_PARALLEL = "the setup builds it (make lab); conda: h5py=*=mpi_mpich*"


def mpi(path: Path) -> Sequence[Capability]:
    """Start two ranks that write one file together through MPI-IO and verify it."""
    launcher = Local.find(rundir.state_dir())
    if launcher.problem:
        detail, _, advice = launcher.problem.partition(": ")
        broken = Capability("MPI-IO", False, "no ranks can be started", "see MPI above")
        return [Capability("MPI", False, detail, advice), broken]
    detail = f"{launcher.library}, started by {launcher.mpiexec}"
    return [Capability("MPI", True, detail), _mpi_io(path)]


def _mpi_io(path: Path) -> Capability:
    result, problem = _try(Workload(**_SMALL, api="MPIIO", collective=True), path)
    if problem:
        return Capability(
            "MPI-IO", False, problem, "run the same with `piotutor run -n 2 -a MPIIO`"
        )
    driver = result["environment"].get("mpi_io_driver", "unknown")
    known = "OMPIO or another, which names none" if driver == "unknown" else f"ROMIO, {driver}"
    detail = f"2 ranks wrote and verified one file together; driver: {known}"
    return Capability("MPI-IO", True, detail, _driver_advice(path, driver))


def _driver_advice(path: Path, driver: str) -> str:
    """Warn where a generic driver serves a file system that has one of its own."""
    kind = storage.at(path).kind
    if kind in ("lustre", "gpfs", "beegfs", "panfs") and kind not in driver.lower():
        return f"this MPI has no driver for {kind}: use the site's (MPICC=mpicc of its module)"
    return ""


def one_mpi(_path: Path) -> Capability:
    """Look whether one process loads two MPI libraries, and which mpiexec the shell finds."""
    fine, answer = ask([sys.executable, "-c", _ASK_LOADED])
    if not fine:
        if not Path("/proc/self/maps").exists():
            return Capability("one MPI", True, "can't be looked at on this system")
        return Capability("one MPI", False, answer, "install mpi4py and an MPI (see MPI above)")
    loaded = json.loads(answer)
    others = _other_mpiexecs()
    if len(loaded) > 1:
        fix = "build h5py against the MPI that mpi4py uses (the setup does)"
        return Capability("one MPI", False, f"one process loads {' and '.join(loaded)}", fix)
    detail = loaded[0] if loaded else "linked in"
    note = f"also on the PATH, not used: {', '.join(others)}" if others else ""
    return Capability("one MPI", True, detail, note)


def _other_mpiexecs() -> list[str]:
    used = Local.find(rundir.state_dir()).mpiexec
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    found = {shutil.which("mpiexec", path=place) for place in places if place}
    real = {os.path.realpath(used)} if used else set()
    return sorted(name for name in found if name and os.path.realpath(name) not in real)


def hdf5(path: Path) -> Sequence[Capability]:
    """Look at h5py, and have two ranks write one HDF5 file together."""
    fine, answer = ask([sys.executable, "-c", _ASK_H5PY])
    if not fine:
        fix = "pip install h5py (serial), or make lab (parallel)"
        return [Capability("h5py", False, answer, fix), _no_parallel("no h5py")]
    known = json.loads(answer)
    versions = f"h5py {known['h5py']}, HDF5 {known['hdf5']}"
    if not known["mpi"]:
        return [Capability("h5py", True, f"{versions}, serial"), _no_parallel("h5py without MPI")]
    work = Workload(**_SMALL, api="HDF5", collective=True)
    _, problem = _try(work, path)
    parallel = Capability("parallel HDF5", True, "2 ranks wrote and verified one file together")
    if problem:
        parallel = Capability("parallel HDF5", False, problem, _PARALLEL)
    return [Capability("h5py", True, f"{versions}, with MPI"), parallel]


def _no_parallel(why: str) -> Capability:
    return Capability("parallel HDF5", False, why, _PARALLEL)


def _try(work: Workload, path: Path) -> tuple[dict[str, Any], str]:
    """Run a small workload, in the path if it can be written; return the result, or the problem."""
    if not os.access(path, os.W_OK | os.X_OK):
        path = Path(tempfile.gettempdir())
    try:
        run = runner.run_sync(work, directory=path, timeout=_TIMEOUT, sample=False)
    except PiotutorError as error:
        return {}, first_line(str(error))
    shutil.rmtree(run.dir, ignore_errors=True)
    if run.result["verified_bytes"] != work.total_bytes:
        return run.result, f"only {run.result['verified_bytes']} bytes were verified"
    return run.result, ""


_SMALL: dict[str, Any] = {
    **{"num_tasks": 2, "block_size": 4096, "transfer_size": 4096, "segment_count": 4},
    **{"write": True, "verify_read": True},
}

CHECKS = (mpi, one_mpi, hdf5)
