"""Run other projects' own tests and programs with the interposer and without it, and compare.

    python tools/peer_suites.py [--mpi4py SOURCES] [--ior PROGRAM] [--only WORD]

Every test must end the same way both times; every program must print nothing else on its standard
error, end with the same code and leave the same files. Everything happens in a temporary directory.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from piotutor.capture import preload
from piotutor.launch.local import Local
from piotutor.trace import Trace, TraceError
from piotutor.trace.interest import Interest

LIMIT = 900
"""Seconds after which a suite has hung."""
PATIENCE = 30
"""Seconds that it may take to end."""
SEED = "1234567890"
_EACH_RANK = 'exec "$@" --junitxml="rank-${PMI_RANK:-${PMIX_RANK:-0}}.xml"'
_PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull)
_PYTHON_TESTS = (
    *("test_io", "test_os", "test_posix", "test_mmap", "test_subprocess", "test_threading"),
    *("test_fcntl", "test_shutil", "test_tempfile", "test_largefile", "test_fileio", "test_file"),
    *("test_zipfile", "test_tarfile", "test_asyncio.test_subprocess", "test_pty", "test_signal"),
    *("test_fork1", "test_select", "test_pathlib", "test_mailbox", "test_logging", "test_gzip"),
    *("test_dbm", "test_shelve", "test_sqlite3"),
)


@dataclass(frozen=True)
class Suite:
    """Something that is run twice.

    Attributes
    ----------
    name
        Of it.
    argv
        The command; ``{out}`` stands for the name of the table of results that it writes.
    ranks
        0 where no mpiexec starts it.
    before
        Commands that make what it needs, run without the interposer.
    path
        A directory for Python to find modules in.
    """

    name: str
    argv: tuple[str, ...]
    ranks: int = 0
    before: tuple[tuple[str, ...], ...] = ()
    path: str = ""


@dataclass
class Outcome:
    """How a run of a suite ended.

    Attributes
    ----------
    code
        Its exit code.
    tests
        Each test's end, or each file's checksum for a program.
    said
        The last lines that it printed.
    seconds, records, dropped
        How long it took, and what was recorded of it.
    """

    code: int
    tests: dict[str, str]
    said: str
    seconds: float
    records: int = 0
    dropped: int = 0
    damage: list[str] = field(default_factory=list)


def suites(options: argparse.Namespace) -> Iterator[Suite]:
    """List what can be run here."""
    if options.mpi4py:
        tests = Path(options.mpi4py).absolute() / "test"
        files = (str(tests / "test_io.py"), str(tests / "test_file.py"))
        command = (sys.executable, *_PYTEST, "--noconftest", *files)
        for ranks in (1, 2, 3):
            yield Suite(f"mpi4py I/O, {ranks} ranks", command, ranks, path=str(tests))
    yield Suite("h5py", (sys.executable, *_PYTEST, "--pyargs", "h5py.tests"), 1)
    if importlib.util.find_spec("pytest_mpi"):
        argv = (sys.executable, *_PYTEST, "--with-mpi", "-m", "mpi", "--pyargs", "h5py.tests")
        yield Suite("h5py, its MPI tests", argv, 2)
    for name in _PYTHON_TESTS:
        argv = (sys.executable, "-m", "test", "--junit-xml", "rank-0.xml", name)
        yield Suite(f"Python {name}", argv)
    yield from programs()
    if options.ior:
        yield from ior(options.ior)


def programs() -> Iterator[Suite]:
    """List other programs; they work on this project's sources as they were last committed."""
    source = Path(__file__).parents[1]
    asked = ("git", "-C", str(source), "rev-parse", "HEAD")
    commit = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    clone = f"git clone -q --no-local {source} copy && git -C copy checkout -q {commit}"
    commands = {
        "cp": "cp -a tree copy",
        "cp, sparse": "cp --sparse=always big copy",
        "tar": "tar cf - tree | (mkdir copy; tar xf - -C copy)",
        "tar to a file": "tar czf copy.tgz --mtime=@0 tree",
        "dd": "dd if=big of=copy bs=5000 conv=fsync,sparse status=none",
        "dd, direct": "dd if=big of=copy bs=64k oflag=direct status=none",
        "git clone": clone,
        "pipes": "find tree -type f | sort | xargs cat > all; wc < all > lines",
        "sort": "sort -S 1m -T . -o sorted big",
        "gcc": "gcc -O1 -c -o copy.o tree/piotutor/kernels/_burst.c",
        "rsync": "rsync -a tree/ copy",
        "gzip": "gzip -n < big > copy.gz; gunzip -c copy.gz | cmp - big",
    }
    big = (sys.executable, "-c", "open('big','wb').write(bytes(1 << 20) + b'0123\\n' * 400000)")
    unpack = f"mkdir tree && git -C {source} archive {commit} | tar xf - -C tree"
    for name, text in commands.items():
        if shutil.which(text.split()[0]):
            yield Suite(name, ("sh", "-c", text), before=(big, ("sh", "-c", unpack)))


def ior(program: str) -> Iterator[Suite]:
    """List runs of IOR: each interface that it has, shared and apart, random, strided."""
    flags = {
        "POSIX": "-a POSIX -b 256k -t 16k -s 2 -e -W -R",
        "POSIX, apart": "-a POSIX -F -b 256k -t 16k -s 2 -W -R",
        "POSIX, direct": "-a POSIX --posix.odirect -b 256k -t 16k -W -R",
        "POSIX, random": "-a POSIX -F -b 256k -t 16k -z",
        "MMAP": "-a MMAP -b 256k -t 16k -W -R",
        "MPIIO": "-a MPIIO -b 256k -t 16k -s 2 -W -R",
        "MPIIO, collective": "-a MPIIO -c -b 16k -t 16k -s 16 -W -R",
        "MPIIO, on a view": "-a MPIIO -c --mpiio.useFileView -b 16k -t 16k -s 16 -W -R",
    }
    for name, text in flags.items():
        argv = (program, *text.split(), "-w", "-r", "-k", "-G", SEED, "-o", "data")
        yield Suite(f"IOR {name}", argv, 4)


def run(suite: Suite, captured: bool) -> Outcome:
    """Run a suite once in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="piotutor-peer-") as name:
        home, traces = Path(name) / "work", Path(name) / "traces"
        home.mkdir()
        traces.mkdir()
        (Path(name) / "tmp").mkdir()
        for command in suite.before:
            subprocess.run(command, cwd=home, check=True)
        found = preload.environment(traces, Interest(), 1 << 30) if captured else {}
        began = time.monotonic()
        code, said = _follow(_argv(suite, found), home, _environment(suite, found, name))
        outcome = Outcome(code, _results(home), said, time.monotonic() - began)
        if captured:
            _count(outcome, traces)
        return outcome


def _argv(suite: Suite, capture: dict[str, str]) -> list[str]:
    """Return the command, with the interposer loaded into each rank but not into mpiexec."""
    words = preload.argv_prefix(capture) if capture else ()
    pytest = ("sh", "-c", _EACH_RANK, "sh") if "pytest" in suite.argv else ()
    launcher = Local.find()
    start = (str(launcher.mpiexec), "-n", str(suite.ranks)) if suite.ranks else ()
    return [*start, *words, *pytest, *suite.argv]


def _environment(suite: Suite, capture: dict[str, str], home: str) -> dict[str, str]:
    added = {name: text for name, text in capture.items() if name != "LD_PRELOAD"}
    places = {"TMPDIR": f"{home}/tmp", "PYTHONDONTWRITEBYTECODE": "1", "HWLOC_XMLFILE": ""}
    path = os.pathsep.join(filter(None, (suite.path, os.environ.get("PYTHONPATH"))))
    return {**os.environ, **Local.find().env(), **places, "PYTHONPATH": path, **added}


def _follow(argv: list[str], home: Path, env: dict[str, str]) -> tuple[int, str]:
    """Run a command to its end, or end it when it hangs."""
    with (home.parent / "said").open("w+b") as said:
        process = subprocess.Popen(
            argv,
            cwd=home,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            code = process.wait(LIMIT)
        except BaseException as error:  # it hangs, or we are interrupted: mpiexec ends its ranks
            os.killpg(process.pid, signal.SIGTERM)
            code = process.wait(PATIENCE)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
        said.seek(0)
        return code, said.read().decode(errors="replace")[-4000:]


def _results(home: Path) -> dict[str, str]:
    """Return how each test of each rank ended; without tests, what files were left."""
    tables = sorted(home.glob("rank-*.xml"))
    if tables:
        return dict(item for table in tables for item in _tests(table))
    files = (
        path for path in sorted(home.rglob("*")) if path.is_file() and ".git" not in path.parts
    )
    return {str(path.relative_to(home)): _digest(path) for path in files}


def _tests(table: Path) -> Iterator[tuple[str, str]]:
    rank = table.stem.rpartition("-")[2]
    for case in ElementTree.parse(table).iter("testcase"):
        ends = [part.tag for part in case if part.tag in ("failure", "error", "skipped")]
        name = f"{rank} {case.get('classname')} {case.get('name')}"
        yield name, ends[0] if ends else "passed"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _count(outcome: Outcome, traces: Path) -> None:
    """Count what was recorded, and note whether it can be read."""
    for path in traces.iterdir():
        try:
            trace = Trace.load(path)
        except TraceError as error:
            outcome.damage.append(str(error))
        else:
            outcome.records += len(trace)
            outcome.dropped += trace.dropped


def compare(suite: Suite) -> tuple[str, bool]:
    """Run a suite both ways; return a row of the table, and whether they are equal."""
    without, captured = run(suite, False), run(suite, True)
    different = {
        name: (without.tests.get(name, "-"), captured.tests.get(name, "-"))
        for name in sorted(without.tests.keys() | captured.tests.keys())
        if without.tests.get(name) != captured.tests.get(name)
    }
    ran = bool(without.tests or captured.tests)
    equal = not different and without.code == captured.code and not captured.damage
    if not equal or not ran:
        print(f"{suite.name}: codes {without.code} and {captured.code}", file=sys.stderr)
        for name, (before, after) in list(different.items())[:20]:
            print(f"  {name}: {before} without, {after} with", file=sys.stderr)
        print(*captured.damage, captured.said, sep="\n", file=sys.stderr)
    cells = (_summary(without), _summary(captured), f"{captured.records:,}")
    verdict = "equal" if equal and ran else "DIFFERENT" if ran else "did not run"
    return f"| {' | '.join((suite.name, *cells, verdict))} |", equal


def _summary(outcome: Outcome) -> str:
    counts = Counter(outcome.tests.values())
    if not counts.keys() & {"passed", "failure", "error", "skipped"}:
        return f"code {outcome.code}, {len(outcome.tests)} files"
    return ", ".join(f"{counts[word]:,} {word}" for word in sorted(counts))


def main() -> int:
    """Compare all, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mpi4py", help="mpi4py's sources, of the version that is installed")
    parser.add_argument("--ior", default=shutil.which("ior"), help="the program")
    parser.add_argument("--only", default="", help="only suites whose names hold this")
    options = parser.parse_args()
    if preload.library() is None:
        parser.error(preload.why_not())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    fine = True
    print("| suite | without | with | records | |\n| --- | --- | --- | --- | --- |", flush=True)
    for suite in suites(options):
        if options.only in suite.name:
            row, equal = compare(suite)
            print(row, flush=True)
            fine &= equal
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
