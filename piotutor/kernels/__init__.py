"""Kernels: one interface to files each, all with one contract (`base.Kernel`).

A new kernel is one file here, one line in `KERNELS` and a short subclass of
`piotutor.testing.kernels.KernelSuite`.
"""

from __future__ import annotations

from piotutor import lookup
from piotutor.errors import UsageError
from piotutor.kernels.base import Kernel

KERNELS = {
    "NULL": "piotutor.kernels.null:NullKernel",
    "POSIX": "piotutor.kernels.posix:PosixKernel",
    "MPIIO": "piotutor.kernels.mpiio:MpiioKernel",
    "HDF5": "piotutor.kernels.hdf5:Hdf5Kernel",
}
"""Name of the interface, as in ``Workload.api``, to where its class stands."""


def kernel_class(api: str) -> type[Kernel]:
    """Return the class of a kernel; its libraries are loaded now, not earlier.

    Raises
    ------
    UsageError
        For an unknown interface, or one whose libraries can't be loaded here.
    """
    try:
        found: type[Kernel] = lookup.find(KERNELS, "api", api)
    except ImportError as error:
        advice = "`piotutor doctor` says how to get what is missing"
        raise UsageError(f"api {api} can't be used here ({error}): {advice}") from error
    return found
