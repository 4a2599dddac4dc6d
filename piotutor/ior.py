"""IOR's command line, both ways: read a whole one, write the equal one, offer its options.

What IOR has and a `piotutor.workload.Workload` can't express is named, never dropped in silence.
The rules of reading are IOR's: flags may be joined (``-wr``), an option's value may follow, be
attached, or follow an equals sign, and ``-O`` takes ``name=value,name=value``.
"""

from __future__ import annotations

import argparse
import difflib
import shlex
from collections import deque
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from piotutor.errors import UsageError
from piotutor.hints import parse_hints
from piotutor.option import Option
from piotutor.units import compact_size
from piotutor.workload import Workload, options

_HINT = "IOR_HINT__MPI__"
_METAVARS = {
    "size": "SIZE",
    "int": "N",
    "counts": "N,N,...",
    "path": "FILE",
    "hints": "NAME=VALUE,...",
    "choice": "API",
}

# IOR's other options: what each is, and whether it takes a value.
_OTHERS = {
    "-A": ("reference number", True),
    "-d": ("delay between repetitions", True),
    "-E": ("use the existing file", False),
    "-f": ("script", True),
    "-j": ("outliers", True),
    "-K": ("keep the file after an error", False),
    "-l": ("kind of data", True),
    "-m": ("a file for each repetition", False),
    "-M": ("hog memory", True),
    "-T": ("longest time", True),
    "-u": ("a directory for each file", False),
    "-v": ("verbose", False),
    "-x": ("no retry", False),
    "-X": ("seed of -Z", True),
    "-y": ("two mount points", False),
    "-Z": ("random order of tasks", False),
    "--dataPacketType": ("kind of data", True),
    "--dryRun": ("no I/O", False),
    "--randomPrefill": ("prefill", True),
    "--warningAsErrors": ("warnings are errors", False),
    "--mpiio.hintsFileName": ("file of hints: give them with --hints", True),
    "--mpiio.showHints": ("show hints", False),
    "--mpiio.preallocate": ("preallocate", False),
    "--hdf5.hintsFileName": ("file of hints: give them with --hints", True),
    "--hdf5.showHints": ("show hints", False),
    "--hdf5.noFill": ("no fill", False),
    "--hdf5.individualDataSets": ("a dataset for each rank", False),
    "--posix.rangelocks": ("range locks", False),
    "--posix.lustre.stripecount": ("Lustre stripe count", True),
    "--posix.lustre.stripesize": ("Lustre stripe size", True),
    "--posix.lustre.startost": ("Lustre first OST", True),
    "--posix.lustre.ignorelocks": ("Lustre, no locks", False),
    "--posix.lustre.pool": ("Lustre pool", True),
    "--dummy.delay-xfer": ("delay", True),
    "--dummy.delay-create": ("delay", True),
    "--dummy.delay-close": ("delay", True),
    "--dummy.delay-sync": ("delay", True),
    "--dummy.delay-only-rank0": ("delay", False),
}
_OTHER_DIRECTIVES = set(
    "refNum debug platform summaryFile summaryFormat summaryAlways saveRankPerformanceDetailsCSV "
    "savePerOpDataCSV dualMount allocateBufferOnGPU GPUid GPUDirect "
    "stoneWallingWearOutIterations stoneWallingStatusFile maxTimeDuration minTimeDuration "
    "outlierThreshold numNodes interTestDelay interIODelay reorderTasksRandom "
    "reorderTasksRandomSeed keepFileWithError multiFile warningAsErrors singleXferAttempt verbose "
    "dataPacketType uniqueDir useExistingTestFile memoryPerTask memoryPerNode".lower().split()
)
_DIRECTIVE_ALIASES = {"reordertasks": "reorder_tasks", "useo_direct": "direct_io"}

_RANKS = {"-n", "-np", "--n", "--np", "--ntasks"}
_RANKS_PER_NODE = {"-ppn", "--ppn", "-perhost", "--ntasks-per-node", "-npernode", "--npernode"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add every parameter of a workload to a parser, under its group's heading.

    What is not given is left out of the namespace; `from_namespace` reads it.
    """
    groups: dict[str, Any] = {}
    for option in options().values():
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        groups[option.group].add_argument(*option.flags, **_argument(option))
    parser.add_argument(
        "-O", dest="ior_directives", action="append", metavar="NAME=VALUE,...",
        default=argparse.SUPPRESS, help="parameters by IOR's names, as -O checkRead=1",
    )  # fmt: skip


def _argument(option: Option) -> dict[str, Any]:
    argument: dict[str, Any] = {"dest": option.name, "default": argparse.SUPPRESS}
    argument["help"] = option.help + _default_note(option)
    if option.kind == "flag":
        return {**argument, "action": "store_const", "const": True}
    if option.kind == "level":
        return {**argument, "action": "count"}
    return {**argument, "metavar": _METAVARS[option.kind]}


def _default_note(option: Option) -> str:
    note = f"; one of {', '.join(option.choices)}" if option.choices else ""
    if option.default is None or option.kind in ("flag", "level", "hints"):
        return note
    return f"{note} (default: {option.format(option.default)})"


def from_namespace(namespace: argparse.Namespace) -> Workload:
    """Build the workload from what a parser with `add_options` found.

    Raises
    ------
    UsageError
        For a value that makes no sense, or options that IOR refuses together.
    """
    given = {name: getattr(namespace, name, None) for name in options()}
    reader = _Reader()
    for directives in getattr(namespace, "ior_directives", None) or ():
        reader.read_directives(directives)
    reader.values |= {name: value for name, value in given.items() if value is not None}
    if reader.unsupported:
        raise UsageError(f"{reader.unsupported[0]}: a workload can't express it, leave it out")
    return reader.workload()


def parse(command: str | Iterable[str]) -> tuple[Workload, list[str]]:
    """Read a whole IOR command line.

    Parameters
    ----------
    command : str or list of str
        With or without ``mpiexec -n N`` and hints in the environment before ``ior``.

    Returns
    -------
    workload : Workload
        What it says. The number of ranks is 4 where it says nothing of it.
    unsupported : list of str
        What a workload can't express, each as written and with its meaning.

    Raises
    ------
    UsageError
        For options that IOR does not know, or that it refuses together.

    Examples
    --------
    >>> parse("mpiexec -n 2 ior -a MPIIO -c -t 47008 -b 47008 -s 200 -v")[1]
    ['-v (verbose)']
    """
    words = _split(command) if isinstance(command, str) else command
    if not isinstance(words, Iterable) or not all(isinstance(word, str) for word in words):
        raise UsageError(f"{command!r:.40} is no command line: give text, or a list of words")
    words = list(words)
    reader = _Reader()
    names = [PurePath(word).name.lower() for word in words]
    at = names.index("ior") if "ior" in names else -1
    reader.read_launcher(words[: max(at, 0)])
    reader.read_options(words[at + 1 :])
    return reader.workload(), reader.unsupported


def workload_of(given: Workload | str | Iterable[str]) -> Workload:
    """Return a workload, or that of an IOR command line of which all has an equal here.

    Raises
    ------
    UsageError
        A part of the line has no equal, or makes no sense.
    """
    if isinstance(given, Workload):
        return given
    parsed, unsupported = parse(given)
    if unsupported:
        raise UsageError(f"no equal here for {', '.join(unsupported)}: leave it out")
    return parsed


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command, comments=True)
    except ValueError as error:
        raise UsageError(f"the command line can't be read ({error}): check its quotes") from None


class _Reader:
    """Reads words one after the other into the values of a workload."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.unsupported: list[str] = []
        self.flags = {flag: option for option in options().values() for flag in option.flags}
        self.directives = {o.directive.lower(): o for o in options().values() if o.directive}
        for alias, name in _DIRECTIVE_ALIASES.items():
            self.directives[alias] = options()[name]

    def workload(self) -> Workload:
        """Build the workload; IOR refuses to verify random offsets without a seed."""
        if str(self.values.get("api")).upper() == "DUMMY":
            self.values["api"] = "NULL"
        seeded = "random_offset_seed" in self.values
        workload = Workload.make(**self.values)
        if workload.random_offset and workload.verify_read and not seeded:
            raise UsageError("-z with -R needs a seed: add --random-offset-seed 1")
        return workload

    def read_launcher(self, words: list[str]) -> None:
        """Read the environment and the launcher before ``ior``."""
        queue, rest = deque(words), []
        while queue:
            word, _, value = queue.popleft().partition("=")
            if word in _RANKS | _RANKS_PER_NODE:
                name = "num_tasks" if word in _RANKS else "tasks_per_node"
                self.values[name] = value or _next(word, queue)
            elif word.startswith(_HINT):
                self._hint(word, value)
            elif word in ("-genv", "-env", "-x"):
                self._environment(word, queue)
            else:
                rest.append(f"{word}={value}" if value else word)
        if len(rest) > 1:
            self.unsupported.append(" ".join(rest[1:]) + f" ({rest[0]}'s)")

    def _environment(self, word: str, queue: deque[str]) -> None:
        name, _, value = _next(word, queue).partition("=")
        value = value or _next(word, queue)
        if name.startswith(_HINT):
            self._hint(name, value)
        else:
            self.unsupported.append(f"{name}={value} (environment)")

    def _hint(self, name: str, value: str) -> None:
        hint = (name.removeprefix(_HINT), value)
        self.values["hints"] = (*self.values.get("hints", ()), hint)

    def read_options(self, words: list[str]) -> None:
        """Read IOR's options."""
        queue = deque(words)
        while queue:
            word, equals, value = queue.popleft().partition("=")
            given = value if equals else None
            if word in self.flags or word in _OTHERS:
                self._read_option(word, given, queue)
            elif word == "-O":
                self.read_directives(_next(word, queue) if given is None else given)
            elif word.startswith("-") and word[1:2].isalpha():
                self._read_joined(word, given, queue)
            else:
                raise UsageError(f"{word!r} is no option of IOR{_near(word, self.flags)}")

    def _read_joined(self, word: str, given: str | None, queue: deque[str]) -> None:
        """Read joined flags (``-wr``); the last may take a value (``-wb 4k``, ``-b4k``)."""
        for at in range(1, len(word)):
            flag, rest = f"-{word[at]}", word[at + 1 :]
            option = self.flags.get(flag)
            valued = _takes_value(option) if option else _OTHERS.get(flag, ("", False))[1]
            if option is None and flag not in _OTHERS and flag != "-O":
                raise UsageError(f"{word!r} is no option of IOR{_near(word, self.flags)}")
            if (valued or flag == "-O") and rest:
                attached = rest if given is None else f"{rest}={given}"
                self.read_options([f"{flag}={attached}"])
                return
            self._read_option(flag, None if rest else given, queue)

    def _read_option(self, flag: str, given: str | None, queue: deque[str]) -> None:
        option = self.flags.get(flag)
        if option is None:
            meaning, valued = _OTHERS[flag]
            value = _next(flag, queue) if valued and given is None else given
            self.unsupported.append(f"{flag}{f' {value}' if value else ''} ({meaning})")
        elif _takes_value(option):
            self._set(option, _next(flag, queue) if given is None else given)
        elif option.kind == "level" and given is None:
            self.values[option.name] = int(self.values.get(option.name, 0)) + 1
        else:
            self._set(option, "1" if given is None else given)

    def read_directives(self, text: str) -> None:
        """Read the ``name=value,name=value`` of ``-O``."""
        for name, value in parse_hints(text):
            option = self.directives.get(name.lower()) or self.flags.get(name)
            if option is not None:
                self._set(option, value)
            elif name.lower() in _OTHER_DIRECTIVES or name in _OTHERS:
                self.unsupported.append(f"-O {name}={value} (directive)")
            else:
                near = _near(name, [o.directive for o in self.directives.values()])
                raise UsageError(f"-O {name}: IOR has no such parameter{near}")

    def _set(self, option: Option, text: str) -> None:
        value = option.read(text)
        if option.name == "hints":
            value = (*self.values.get("hints", ()), *value)
        self.values[option.name] = value


def _takes_value(option: Option) -> bool:
    return option.kind not in ("flag", "level")


def _next(flag: str, queue: deque[str]) -> str:
    if not queue:
        raise UsageError(f"{flag} needs a value, and the line ends there")
    return queue.popleft()


def _near(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), 1)
    return f": did you mean {close[0]}?" if close else ": `piotutor run --help` lists them"


def command(workload: Workload) -> str:
    """Write the equal IOR command line, hints in the environment before it.

    What IOR can't say stands behind a ``#``.

    Examples
    --------
    >>> command(Workload(num_tasks=2, hints=(("cb_nodes", "2"),), api="MPIIO", write=True))
    'IOR_HINT__MPI__cb_nodes=2 mpiexec -n 2 ior -a MPIIO -b 1m -t 256k -s 1 -w'
    """
    hints = [f"{_HINT}{name}={shlex.quote(value)}" for name, value in workload.hints]
    words = [*hints, "mpiexec", "-n", str(workload.num_tasks), "ior"]
    missing = []
    for option in options().values():
        said = _say(option, workload)
        if option.in_ior or not said:
            words += said
        elif option.name != "hints":
            missing += said
    if workload.test_file and "@" in workload.test_file:
        missing.append("a file name with an @ (IOR takes it as two names)")
    return " ".join(words) + (f"  # not in IOR: {' '.join(missing)}" if missing else "")


_DIRECTIVES = {"tasks_per_node", "stonewall_wear_out"}
_ALWAYS = {"api", "block_size", "transfer_size", "segment_count"}


def _say(option: Option, workload: Workload) -> list[str]:
    """Return the words that give this parameter, none where it need not be given."""
    value, flag = getattr(workload, option.name), option.flags[0]
    seed = option.name == "random_offset_seed" and workload.random_offset
    needless = value == option.default and option.name not in _ALWAYS and not seed
    if option.name == "num_tasks" or needless or value is False:
        return []
    if option.name == "api":
        return [flag, "DUMMY" if value == "NULL" else str(value)]
    if option.name in _DIRECTIVES:
        return ["-O", f"{option.directive}={int(value)}"]
    if option.kind in ("flag", "level"):
        return [flag] * int(value)
    text = compact_size(value) if option.kind == "size" else option.format(value)
    # IOR takes a chunk size only after an equals sign.
    return [f"{flag}={text}"] if flag.startswith("--") else [flag, shlex.quote(text)]
