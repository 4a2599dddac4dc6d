"""The program that stands beside a run's ranks while they use a Ceph.

``python -m piotutor.storage.ceph.service RUN/storage.json``: starts the Ceph (or takes one that
stands), makes the run's files, writes ``storage-ready.json``, records what the servers do, and at
the line ``stop`` or the end of its input writes the map and ends all that it started.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

from piotutor.errors import PiotutorError
from piotutor.rundir import write_json
from piotutor.storage.ceph import binaries
from piotutor.storage.ceph.cluster import DATA, Cluster, free_port
from piotutor.storage.ceph.config import Config
from piotutor.storage.ceph.counting import NAMES, Counting, Counts
from piotutor.storage.ceph.files import Files, Layout

TICK = 0.1


def serve(orders: dict[str, Any]) -> None:
    """Do all of it; any error is the run's problem."""
    run_dir, place = Path(orders["run_dir"]), Path(orders["directory"])
    options = orders["options"]
    found = binaries.find()
    with ExitStack() as stack:
        place.mkdir(mode=0o700)
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        config = Config(place, options["osds"], free_port("127.0.0.1"), plugins=found.plugins())
        cluster = Cluster(config, found, str(run_dir))
        stack.callback(cluster.stop)
        cluster.start()
        client = stack.enter_context(cluster.client())
        layout = Layout(*(options[n] for n in ("stripe_unit", "stripe_count", "object_size")), DATA)
        files = Files(client, "run", layout, config.osds)
        files.make([Path(file).name for file in orders["files"]])
        cluster.ask("mds.a", "flush journal")

        def look(number: int) -> Counts:
            counters = cluster.ask(f"osd.{number}", "perf dump", logger="osd")["osd"]
            return tuple(counters[name] for name in NAMES)  # type: ignore[return-value]

        counting = Counting(look, config.osds, run_dir / "trace/servers.piot")
        shadow = place / "shadow"
        shadow.mkdir()
        write_json(
            run_dir / "storage-ready.json",
            {
                "env": {
                    "PIOTUTOR_ROUTE_PREFIX": orders["prefix"],
                    "PIOTUTOR_ROUTE_CONF": str(config.path),
                    "PIOTUTOR_ROUTE_ROOT": files.root,
                    "PIOTUTOR_ROUTE_SHADOW": str(shadow),
                    "PIOTUTOR_ROUTE_LIBRARY": found.libraries["libcephfs.so.2"],
                    **found.env,
                },
                "argv_prefix": [],
                "environment": {"filesystem": "ceph", "layout": vars(layout), "notes": files.notes},
            },
        )
        while not _told_to_stop():
            dead = cluster.dead()
            if dead:
                raise PiotutorError(f"Ceph: {dead}")
        counting.finish()
        write_json(run_dir / "map.json", files.map())


def _told_to_stop() -> bool:
    ready, _, _ = select.select([0], [], [], TICK)
    return bool(ready) and os.read(0, 4096) in (b"", b"stop\n")


def main(arguments: Iterable[str]) -> NoReturn:
    """Serve the run whose orders are named."""
    (path,) = arguments
    orders = json.loads(Path(path).read_text())
    try:
        serve(orders)
    except PiotutorError as error:
        write_json(Path(orders["run_dir"]) / "storage-error.json", {"problem": str(error)})
        print(error, file=sys.stderr)
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
