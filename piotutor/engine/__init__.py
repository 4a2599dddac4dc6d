"""The storage model: clients, a network, servers with targets, in virtual time.

One core in C (``core/``) does the work; without a compiler it is absent, and says so.
"""

from __future__ import annotations

from piotutor.engine.machine import Machine
from piotutor.engine.model import model

__all__ = ["Machine", "model"]
