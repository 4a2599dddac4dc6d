"""Waiting for traces that another node closes, as a network file system shows them: late."""

from __future__ import annotations

import threading

from piotutor.launch.shared import settle
from piotutor.trace.record import HEADER
from piotutor.trace.writer import TraceWriter


def test_waits_until_the_last_is_closed(tmp_path):
    writers = [TraceWriter(tmp_path / f"rank-{rank:05d}.piot", rank=rank) for rank in range(2)]
    for writer in writers:
        writer.append(layer=1, op=1, start=1, end=2)
    writers[0].close()
    assert settle(tmp_path, range(3), patience=0.2) == [1, 2]
    timer = threading.Timer(0.2, writers[1].close)
    timer.start()
    assert settle(tmp_path, range(2), patience=30) == []
    timer.join()
    assert not (tmp_path / ".look").exists()


def test_waits_for_the_last_records(tmp_path):
    path = tmp_path / "rank-00000.piot"
    with TraceWriter(path, rank=0) as writer:
        writer.append(layer=1, op=1, start=1, end=2)
    whole = path.read_bytes()
    path.write_bytes(whole[:-80])
    assert settle(tmp_path, [0], patience=0) == [0]
    path.write_bytes(whole[: HEADER.itemsize // 2])
    assert settle(tmp_path, [0], patience=0) == [0]
    path.write_bytes(whole)
    assert settle(tmp_path, [0], patience=0) == []
