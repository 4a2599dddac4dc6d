"""The program beside emulated ranks: what it writes down at the end, whatever ranks did."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from piotutor.engine import Machine
from piotutor.engine.shared import KnownFile, Told, why_not
from piotutor.storage.emulating import MOST_PIECES, Emulation, notes

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")


def test_a_map_has_no_end_of_pieces():
    """Of a file with terabytes of holes no map is made, and that is told; others are in it."""
    files = [KnownFile("/x/huge", 1 << 45), KnownFile("/x/small", 100), KnownFile("/x/none", 0)]
    made = object.__new__(Emulation)
    made.names, made.machine, made.count = ["/x/huge"], Machine(targets=4), 2
    made.plan = {"stripe_size": 1 << 20, "stripe_count": 2}
    made.world = SimpleNamespace(files=lambda: files)
    placed = made._map()["files"]
    assert [(each["name"], each["file"]) for each in placed] == [("/x/small", 1), ("/x/none", 2)]
    told = Told("", 1, 0, 0.0, 0.0, 0.0, 0, 0, 0)
    assert notes(told) == []
    (note,) = notes(told, (), 1)
    assert f"{MOST_PIECES:,}" in note
