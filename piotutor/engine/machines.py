"""Named machines, and machines from files: ``NAME``, ``NAME:key=value,...`` or ``FILE.json``."""

from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from piotutor import lookup
from piotutor.engine.bounds import bound_of, shown
from piotutor.engine.machine import WORDS, Machine
from piotutor.errors import UsageError
from piotutor.units import parse_size


class Named(NamedTuple):
    """A machine that has a name.

    Attributes
    ----------
    machine : Machine
        Its parameters.
    about : str
        What kind of system it stands for.
    source : str
        Where the figures are from.
    """

    machine: Machine
    about: str
    source: str


_GIGABIT = 1e9 / 8
_LUSTRE: dict[str, Any] = {
    "rpc_size": 1 << 20,
    "rpcs_in_flight": 8,
    "dirty_limit": 32 << 20,
    "lock_protocol": "extents",
    "lock_page": 4096,
}
_GROUP: dict[str, Any] = {
    "clients": 16,
    "targets": 8,
    "targets_per_server": 2,
    "client_bandwidth": 10 * _GIGABIT,
    "server_bandwidth": 10 * _GIGABIT,
    "latency": 20e-6,
    "memory_bandwidth": 5e9,
    "open_time": 100e-6,
    "create_time": 300e-6,
    "stat_time": 50e-6,
    "remove_time": 300e-6,
    "lock_time": 10e-6,
}
"""Four servers of two targets, 16 clients."""
_ROUND = "round figures of its kind, not measured on any one system"

MACHINES = {
    "unlimited": Named(
        Machine(clients=64, targets=64), "nothing takes time: counts only", "none is needed"
    ),
    "small-lustre": Named(
        Machine(
            **_LUSTRE,
            **_GROUP,
            target_overhead=100e-6,
            target_write_bandwidth=400e6,
            target_read_bandwidth=500e6,
        ),
        "a group's Lustre: four servers with two targets each, 16 nodes at 10 Gbit/s",
        f"requests, cache and locks: defaults of the Lustre manual (recalled); speeds: {_ROUND}",
    ),
    "large-lustre": Named(
        Machine(
            **(_LUSTRE | {"rpc_size": 4 << 20, "rpcs_in_flight": 16}),
            clients=1024,
            targets=96,
            targets_per_server=2,
            client_bandwidth=100 * _GIGABIT,
            server_bandwidth=100 * _GIGABIT,
            latency=5e-6,
            memory_bandwidth=10e9,
            open_time=20e-6,
            create_time=50e-6,
            stat_time=10e-6,
            remove_time=50e-6,
            target_overhead=50e-6,
            target_write_bandwidth=3e9,
            target_read_bandwidth=4e9,
            target_channels=2,
            lock_time=5e-6,
        ),
        "a centre's Lustre: 48 servers with two targets each, 1,024 nodes at 100 Gbit/s",
        _ROUND,
    ),
    "disk-lustre": Named(
        Machine(
            **_LUSTRE,
            **_GROUP,
            target_overhead=50e-6,
            device="array",
            device_memory=64 << 20,
            array_level=6,
            array_width=10,
            array_chunk=128 << 10,
            disk="hc310",
        ),
        "small-lustre of disks: each target is a RAID 6 of 8 + 2, of which a request of 1 MiB is a "
        "stripe, behind 64 MiB of memory",
        "8 + 2 and its chunk: advice of the Lustre manual (recalled); the disk: see "
        f"piotutor.engine.devices.DISKS; the rest as small-lustre: {_ROUND}",
    ),
    "ssd-lustre": Named(
        Machine(
            **_LUSTRE,
            **(_GROUP | {"client_bandwidth": 100 * _GIGABIT, "server_bandwidth": 100 * _GIGABIT}),
            target_overhead=20e-6,
            device="ssd",
            device_memory=16 << 20,
            ssd_channels=64,
            ssd_blocks=64,
            ssd_block_pages=32,
            ssd_read_time=40e-6,
            ssd_write_time=90e-6,
            ssd_rewritten=1,
        ),
        "small-lustre of SSDs that have been in use: 6.5 GB/s read, 2.9 GB/s written where nothing "
        "must be moved; 400 MiB of each are modelled, over which longer objects go round",
        _ROUND,
    ),
    "slow-ceph": Named(
        Machine(
            clients=1,
            targets=4,
            latency=100e-6,
            memory_bandwidth=2e9,
            rpc_size=4 << 20,
            rpcs_in_flight=64,
            dirty_limit=8 << 20,
            target_write_bandwidth=float(25 << 20),
            target_read_bandwidth=float(25 << 20),
            lock_protocol="file",
        ),
        "the Ceph that --storage ceph:rate=25m starts: four servers of 25 MiB/s, one client",
        "the rate that tc holds each server to; the rest: round figures",
    ),
    "slow-lustre": Named(
        Machine(
            clients=2,
            targets=4,
            latency=200e-6,
            target_overhead=10e-3,
            lock_protocol="extents",
            lock_return_time=5e-3,
        ),
        "two nodes without a cache, four targets, Lustre's locks: slow enough for two busy cores",
        "made up: 10 ms for each request, 5 ms until a lock is given back",
    ),
    "fixed-latency": Named(
        Machine(rpcs_in_flight=1024, target_channels=8, target_overhead=4e-3),
        "one device by itself: every request takes 4 ms, whatever its size, and eight at once",
        "made up, so that the arithmetic of queues can be done by heart",
    ),
}
"""Name to machine."""

_SIZES = ("rpc_size", "dirty_limit", "cache_size", "read_ahead", "lock_page", "lock_cap",
          "ssd_page", "array_chunk", "device_memory")  # fmt: skip
_LARGEST = 1 << 20  # bytes of a file of parameters
_DEFAULTS: dict[str, Any] = {each.name: each.default for each in dataclasses.fields(Machine)}


def read_machine(text: str | Path) -> Machine:
    """Return the machine that is named, or described in a file.

    Parameters
    ----------
    text : str or path
        One of `MACHINES`, or the path of a JSON file with parameters of a `Machine` (and, in
        ``like``, a name whose parameters count where the file says nothing); after a colon, a
        comma-separated list of parameters that are to be others.

    Raises
    ------
    UsageError
        There is none of that name, no such file, or no such parameter.
    """
    name, _, changes = str(text).partition(":")
    machine = MACHINES[name].machine if name in MACHINES else _from_file(name)
    given = _once([_pair(part) for part in changes.split(",") if part])
    return _changed(machine, given, str(text))


def kind_of(text: str | Path) -> str:
    """Return what a machine is called in pictures: its name or its file's, and what was changed."""
    name, _, changes = str(text).partition(":")
    return Path(name).stem + (f" ({changes})" if changes else "")


def take_machine(machine: Any) -> tuple[Machine, str]:
    """Return a machine that was given in any way, and the text that named it; "" if none did.

    Raises
    ------
    UsageError
        It is none, or there is none of that name.
    """
    if isinstance(machine, Machine):
        return machine, ""
    if isinstance(machine, str | Path):
        return read_machine(machine), str(machine)
    raise UsageError(f"machine={shown(machine)}: give a name, a .json file or a pio.Machine")


def _from_file(name: str) -> Machine:
    path = Path(name)
    if path.suffix != ".json":
        advice = lookup.advice(name, MACHINES)
        raise UsageError(f"machine {shown(name)} is unknown: {advice} Or name a .json file")
    try:
        given = json.loads(_text_of(path.expanduser()), object_pairs_hook=_once)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: no such home; too nested
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path} can't be read as JSON: {reason}") from None
    if not isinstance(given, dict):
        raise UsageError(f"{path} holds no table of names and values")
    like = given.pop("like", None)
    if like is not None and (not isinstance(like, str) or like not in MACHINES):
        raise UsageError(f"{path}: like={shown(like)} is unknown: choose {', '.join(MACHINES)}")
    return _changed(MACHINES[like].machine if like else Machine(), given, name)


def _text_of(path: Path) -> str:
    """Read a plain file, that isn't too large to be one of parameters."""
    if path.exists() and not path.is_file():
        raise UsageError("that is no file of parameters")
    with path.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise UsageError("that is too large for a file of parameters")
    return content.decode("utf-8-sig")


def _pair(part: str) -> tuple[str, str]:
    key, equals, value = (piece.strip() for piece in part.partition("="))
    if not equals or not value:
        raise UsageError(f"{part!r}: give a parameter as name=value")
    return key, value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a table of pairs, none of which may come twice."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise UsageError(f"{key} is given twice")
        found[key] = value
    return found


def _changed(machine: Machine, given: dict[str, Any], where: str) -> Machine:
    for key in given:
        if key not in _DEFAULTS:
            advice = lookup.advice(key, _DEFAULTS)
            raise UsageError(f"{where}: a machine has no {shown(key)}: {advice}")
    return machine.replace(**{key: _value(key, value) for key, value in given.items()})


def _value(key: str, text: Any) -> Any:
    """Read one parameter; sizes may have units, as speeds may (``10m`` is 10 MiB/s)."""
    if key in WORDS or not isinstance(text, str):
        return text
    kind = type(_DEFAULTS[key])
    for read in (kind, float):
        with suppress(ValueError):
            return read(text)
    try:
        if key in _SIZES or key.endswith("bandwidth"):
            return parse_size(text)
    except UsageError as error:
        raise UsageError(f"{key}: {error}") from None
    raise UsageError(f"{key}={text:.40}: give a {bound_of(key)}, without a unit")
