"""piotutor: run real parallel I/O, watch it while it happens, and explain it.

Importing the package is cheap: no MPI, no HDF5, no matplotlib and no widgets are loaded
until a name that needs them is used.

Examples
--------
>>> import piotutor as pio
>>> run = await pio.run("ior -a MPIIO -c -t 47008 -b 47008 -s 200")  # doctest: +SKIP
>>> run.result["phases"][0]["operations"]  # doctest: +SKIP
800
"""

from __future__ import annotations

import importlib
from typing import Any

# Public name -> (module, attribute; None for the module itself).
_PUBLIC: dict[str, tuple[str, str | None]] = {
    "Workload": ("piotutor.workload", "Workload"),
    "PiotutorError": ("piotutor.errors", "PiotutorError"),
    "UsageError": ("piotutor.errors", "UsageError"),
    "RunError": ("piotutor.errors", "RunError"),
    "Trace": ("piotutor.trace", "Trace"),
    "Run": ("piotutor.runner", "Run"),
    "run": ("piotutor.runner", "run"),
    "run_sync": ("piotutor.runner", "run_sync"),
    "start": ("piotutor.runner", "start"),
    "open_run": ("piotutor.runner", "open_run"),
    "start_command": ("piotutor.runner", "start_command"),
    "trace_command": ("piotutor.runner", "trace_command"),
    "trace_command_sync": ("piotutor.runner", "trace_command_sync"),
    "model": ("piotutor.modelled", "model_run"),
    "Machine": ("piotutor.engine", "Machine"),
    "import_trace": ("piotutor.imported", "import_trace"),
    "servers": ("piotutor.serving", "Servers"),
    "verdicts": ("piotutor.diagnosis", "verdicts"),
    "watch": ("piotutor.live", "watch"),
    "panel": ("piotutor.live", "panel"),
    "replay": ("piotutor.live", "replay"),
    "ribbon": ("piotutor.live", "ribbon"),
    "whatif": ("piotutor.live", "whatif"),
    "plot_locks": ("piotutor.plots.locks", "plot_locks"),
    "stripe_map": ("piotutor.stripemap", "stripe_map"),
    "compare": ("piotutor.plots.comparison", "compare"),
    "h5map": ("piotutor.plots.address_map", "h5map"),
    "Lesson": ("piotutor.lesson", "Lesson"),
    "check": ("piotutor.lesson", "check"),
    "layout": ("piotutor.layout", None),
    "metrics": ("piotutor.metrics", None),
    "pattern": ("piotutor.pattern", None),
    "plots": ("piotutor.plots", None),
    "storage": ("piotutor.storage", None),
    "units": ("piotutor.units", None),
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Import the module behind a public name when the name is first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("piotutor")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'piotutor' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    loaded = importlib.import_module(module)
    return loaded if attribute is None else getattr(loaded, attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC, "__version__"])
