"""The numbers behind the pictures of targets, each worked out by hand or by a slow loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_plots_data import MS, record, strided, trace_of

from piotutor import layout, metrics_targets, report
from piotutor.diagnosis import verdicts
from piotutor.errors import PiotutorError, UsageError
from piotutor.metrics_targets import target_work
from piotutor.plots import ribbon, ribbon_data, ribbon_words, stripe_access, target_bars, targets
from piotutor.plots.ribbon_data import NOBODY, SEVERAL
from piotutor.stripemap import StripeMap, maps_of
from piotutor.trace import RECORD, Layer, Op, Phase, Trace

KIB = 1024


def samples(counts, look=10, size=KIB, took=None, ops="write"):
    """Counters of targets 0, 1, ...: `counts[t]` are operations of `size` at each look (ms)."""
    rows = []
    for target, done in enumerate(counts):
        for i, n in enumerate(done):
            write, read = (n, 0) if ops == "write" else (0, n)
            busy = -1 if took is None else round(n * took[target] * MS)
            rows.append(
                record(
                    Op.SAMPLE, max(i - 1, 0) * look, i * look, -1, layer=Layer.SERVER,
                    target=target, file=-1, length=write * size, result=read * size,
                    aux=write | read << 32, offset=busy,
                )
            )  # fmt: skip
    return rows


def striped_map(size, unit=64 * KIB, count=4, object_size=None, targets=(1, 0, 3, 2), name="a"):
    made = layout.striped(unit, count, targets=targets) if object_size is None else (
        layout.cephfs(unit, count, object_size, targets=targets)
    )  # fmt: skip
    found = StripeMap.computed(made, size, system="ceph")
    return {**found.to_dict(), "name": name}


def map_of(size, **options):
    return {"system": "ceph", "source": "asked", "files": [striped_map(size, **options)]}


def one_map(size, **options):
    (found,) = maps_of(map_of(size, **options))
    return found


# The map.


def test_a_map_tells_the_target_of_every_byte_and_comes_back_from_its_file():
    found = one_map(10 * 64 * KIB + 5)
    assert (found.system, found.word, found.name) == ("ceph", "OSD", "a")
    assert found.size == 10 * 64 * KIB + 5
    assert found.targets == [0, 1, 2, 3]
    assert found.target_at([0, 65535, 65536, 4 * 65536, found.size - 1]).tolist() == [1, 1, 0, 1, 3]
    assert found.bytes_by_target() == {
        0: 3 * 65536, 1: 3 * 65536, 2: 2 * 65536, 3: 2 * 65536 + 5,
    }  # fmt: skip
    with pytest.raises(UsageError, match=f"0 to {found.size - 1}"):
        found.target_at(found.size)


def test_a_map_of_a_composite_layout_comes_back_and_one_with_parity_has_no_words():
    parts = layout.progressive(
        ("1MiB", layout.lustre("256k", 1, osts=8)),
        (-1, layout.lustre("1m", 4, osts=8, start_ost=3)),
    )
    made = StripeMap.computed(parts, 8 * KIB * KIB, system="lustre", source="lfs getstripe")
    assert made.source == "computed from lfs getstripe"
    document = {"system": made.system, "source": made.source, "files": [made.to_dict()]}
    (back,) = maps_of(document)
    assert back.stripes.object.tolist() == made.stripes.object.tolist()
    assert back.stripes.object_offset.tolist() == made.stripes.object_offset.tolist()
    raid = StripeMap.computed(layout.raid(5, 4), 8 * KIB * KIB, system="raid")
    with pytest.raises(UsageError, match="parity"):
        raid.to_dict()


@pytest.mark.parametrize("document", [{"files": 3}, {"files": [{}]}, {"system": "x"}])
def test_a_damaged_map_is_one_error(document):
    with pytest.raises(PiotutorError, match=r"map\.json is damaged"):
        maps_of(document)
    assert maps_of({}) == maps_of(None) == []


@given(st.data())
def test_stripes_cover_a_file_once_and_lead_back(data):
    unit, count, turns = (data.draw(st.integers(1, 9)) for _ in range(3))
    size = data.draw(st.integers(0, 500))
    object_size = unit * turns
    many = (size // (object_size * count) + 1) * count
    chosen = data.draw(st.lists(st.integers(0, 3), min_size=many, max_size=many))
    shape = layout.cephfs(unit, count, object_size, targets=chosen)
    found = StripeMap.computed(shape, size, system="ceph")
    stripes = found.stripes
    assert stripes.length.sum() == found.size == size
    for n in range(len(stripes.offset)):
        assert stripes.offset[n] == n * unit
        assert stripes.target[n] == chosen[stripes.object[n]]
        assert found.target_at(n * unit)[0] == stripes.target[n]


# What targets did.


def test_counters_become_work_between_looks():
    rows = samples([(0, 3, 3, 7), (0, 0, 2, 2)], took=(1, 5))
    work = target_work(trace_of(*rows, meta={"environment": {"filesystem": "ceph"}}))
    assert (work.how, work.names, work.look) == ("counters", ["OSD 0", "OSD 1"], 10 * MS)
    totals = work.totals()
    assert totals.operations.tolist() == [7, 2]
    assert totals.bytes.tolist() == [7 * KIB, 2 * KIB]
    assert totals.took.tolist() == [7 * MS, 10 * MS]
    assert totals.first.tolist() == [0, 10 * MS]
    assert totals.last.tolist() == [30 * MS, 20 * MS]
    assert work.totals("read").operations.tolist() == [0, 0]
    assert not work.totals("read").working.any()


def test_a_look_that_is_missing_and_a_counter_that_begins_anew():
    rows = samples([(0, 3, 5, 2)])
    work = target_work(trace_of(rows[0], rows[2], rows[3]))
    assert work.totals().operations.tolist() == [7]
    assert work.look == 20 * MS
    assert work.totals().took.tolist() == [-1]


def test_transfers_of_servers_are_taken_as_they_are():
    rows = [
        record(Op.WRITE, 0, 4, -1, layer=Layer.SERVER, target=7, length=10),
        record(Op.WRITE, 2, 9, -1, layer=Layer.SERVER, target=3, length=20),
        record(Op.READ, 9, 12, -1, layer=Layer.SERVER, target=7, length=5),
    ]
    work = target_work(Trace.from_records(np.concatenate(rows), provenance="emulated"))
    assert (work.how, work.look, work.names) == ("transfers", 0, ["server 3", "server 7"])
    totals = work.totals()
    assert totals.bytes.tolist() == [20, 15]
    assert totals.took.tolist() == [7 * MS, 7 * MS]
    assert totals.last.tolist() == [9 * MS, 12 * MS]
    assert work.totals("read").bytes.tolist() == [0, 5]


@given(st.data())
def test_without_counters_transfers_are_dealt_out_by_the_layout(data):
    count = data.draw(st.integers(1, 4))
    unit = data.draw(st.integers(1, 50))
    extents = data.draw(
        st.lists(st.tuples(st.integers(0, 400), st.integers(0, 200)), min_size=1, max_size=9)
    )
    rows = [
        record(Op.WRITE, i, i + 1, offset=offset, length=length, file=0)
        for i, (offset, length) in enumerate(extents)
    ]
    document = map_of(600, unit=unit, count=count, targets=(5, 1, 4, 2)[:count])
    work = target_work(trace_of(*rows, meta={"map": document}))
    assert work.how == "layout"
    expected = dict.fromkeys(work.targets.tolist(), 0)
    for offset, length in extents:
        for byte in range(offset, offset + length):
            expected[(5, 1, 4, 2)[byte // unit % count]] += 1
    totals = work.totals("write")
    assert dict(zip(work.targets.tolist(), totals.bytes.tolist(), strict=True)) == expected


def test_where_nobody_tells_nothing_is_said():
    assert target_work(trace_of(*strided())) is None
    other = map_of(600, name="another file")
    assert target_work(trace_of(*strided(), meta={"map": other})) is None


# Heat strips.


def test_strips_leave_nothing_out():
    trace = trace_of(*samples([(0, 3, 3, 7), (0, 0, 2, 2)]), *strided(2, 30))
    data = targets.targets_data(trace, steps=60)
    width = data.edges[1] - data.edges[0]
    assert (data.rate.sum(axis=1) * width).tolist() == pytest.approx([7 * KIB, 2 * KIB])
    assert data.edges[-1] == pytest.approx(0.030)
    assert data.rate[0, :20].sum() * width == pytest.approx(3 * KIB)
    assert not data.rate[0, 20:40].any()
    counts = targets.targets_data(trace, what="operations", op="write", steps=60)
    assert (counts.rate.sum(axis=1) * width).tolist() == pytest.approx([7, 2])
    assert not targets.targets_data(trace, op="read").rate.any()
    for wrong in ({"what": "seeks"}, {"op": "stat"}):
        with pytest.raises(UsageError, match="give bytes or operations"):
            targets.targets_data(trace, **wrong)


SLOW = [(0, 4, 4, 4, 4, 4), (0, 4, 4, 4, 4, 4), (0, 1, 2, 3, 4, 4), (0, 4, 4, 4, 4, 4)]
CEPH = {"environment": {"filesystem": "ceph"}}


@pytest.mark.parametrize(
    ("counts", "until", "finding"),
    [
        (SLOW, 50, "OSD 2 took 40 ms, the others 10 ms: the run waited"),
        (SLOW, 20, "OSD 2 took 40 ms, the others 10 ms"),
        (
            [(0, 4, 4, 4, 4), (0, 2, 4, 6, 8)],
            50,
            "OSD 1 took 40 ms for 8 KiB, the others 10 ms for 4 KiB: the run waited",
        ),
        (
            [(0, 4, 4, 4, 4, 4, 4), (0, 1, 2, 4, 4, 4, 4), (0, 1, 1, 1, 2, 3, 4)],
            70,
            "OSD 2 took 60 ms, the others up to 30 ms: the run waited",
        ),
        ([(0, 4, 8), (0, 4, 8)], 20, "2 OSDs share the bytes evenly, together 800 KiB/s"),
        (
            [(0, 6, 9), (0, 2, 3)],
            20,
            "OSD 0 has 1.5 times its even share of the bytes, together 600 KiB/s",
        ),
        ([(0, 0), (0, 4)], 20, "OSD 1 has all bytes, the other 1 none, together 400 KiB/s"),
        ([(0, 0), (0, 0)], 20, "The OSDs did nothing"),
        ([], 20, "Where the bytes went isn't known"),
    ],
)
def test_the_finding_of_strips(counts, until, finding):
    rows = [
        record(Op.OPEN, 0, 0, file=0),
        record(Op.WRITE, 0, 1, offset=0, length=1, file=0),
        record(Op.CLOSE, until - 1, until, file=0),
    ]
    data = targets.targets_data(trace_of(*samples(counts), *rows, meta=CEPH))
    assert targets.targets_finding(data) == finding


def test_of_coded_data_the_finding_is_what_parity_costs():
    rows = [
        record(Op.OPEN, 0, 0, file=0),
        record(Op.WRITE, 0, 1, offset=0, length=96 * KIB, file=0),
        record(Op.CLOSE, 19, 20, file=0),
    ]
    layout = {**CEPH["environment"], "layout": {"note": "erasure-coded 3+1"}}
    meta = {**CEPH, "environment": layout}
    counts = [[0, 32], [0, 32], [0, 32], [0, 32]]
    data = targets.targets_data(trace_of(*samples(counts), *rows, meta=meta))
    wanted = "For each byte of the ranks the OSDs write 1.33; 4 OSDs share the bytes evenly"
    assert targets.targets_finding(data) == wanted


def test_two_looks_apart_is_no_straggler():
    trace = trace_of(*samples([(0, 4, 4), (0, 3, 4)]), *strided(2, 30), meta=CEPH)
    work = target_work(trace)
    assert metrics_targets.straggler(work, "write", metrics_targets.rank_phases(trace)) is None
    finding = target_bars.straggler_finding(target_bars.straggler_data(trace))
    assert finding == "No straggler: all 2 OSDs had their last byte within 10 ms of each other"


def test_who_is_slow_while_all_wait_is_told_by_the_time_of_operations():
    even = [(0, 2, 4, 10)] * 3
    trace = trace_of(*samples(even, took=(2, 9, 3)), *strided(2, 30), meta=CEPH)
    finding = target_bars.straggler_finding(target_bars.straggler_data(trace))
    said = "OSD 1 is slow: an operation takes 9 ms there, at the others up to 3 ms"
    assert finding == said
    assert targets.targets_finding(targets.targets_data(trace)) == said
    seldom = trace_of(*samples([(0, *[1] * 99, 10)] * 3, took=(2, 9, 3)), meta=CEPH)
    assert metrics_targets.slowest(target_work(seldom)) is None
    short = trace_of(*samples(even, took=(0.2, 0.9, 0.3)), *strided(2, 30), meta=CEPH)
    assert metrics_targets.slowest(target_work(short)) is None
    near = trace_of(*samples(even, took=(2, 5, 3)), *strided(2, 30), meta=CEPH)
    assert "No straggler" in target_bars.straggler_finding(target_bars.straggler_data(near))


def test_the_straggler_of_reads_and_one_target_alone():
    reads = trace_of(*samples(SLOW, ops="read"), *strided(2, 3), meta=CEPH)
    data = target_bars.straggler_data(reads)
    assert (data.op, data.late.row, data.late.waited) == ("read", 2, False)
    assert data.busy.tolist() == [[0, 0.01], [0, 0.01], [0, 0.04], [0, 0.01]]
    alone = target_bars.straggler_data(trace_of(*samples([(0, 0), (0, 5)]), meta=CEPH))
    finding = target_bars.straggler_finding(alone)
    assert finding == "OSD 1 has all the bytes: nobody else to wait for"


def test_totals_and_their_imbalance():
    trace = trace_of(*samples([(0, 9), (0, 3), (0, 0), (0, 0)]), meta=CEPH)
    data = target_bars.target_totals_data(trace)
    assert data.totals.bytes.tolist() == [9 * KIB, 3 * KIB, 0, 0]
    assert data.imbalance == (3.0, 3.0)
    finding = target_bars.target_totals_finding(data)
    assert finding == "OSD 0 has 3 times its even share of the bytes (imbalance 3.00)"
    assert "OSD 1: 3 operations, 3,072 bytes" in target_bars.target_totals_alt(data)
    assert list(data.by_op) == ["write"]


def test_operations_may_lie_otherwise_than_bytes():
    rows = [*samples([(0, 5)]), *samples([(0, 0), (0, 1)], size=5 * KIB)[2:]]
    data = target_bars.target_totals_data(trace_of(*rows, meta=CEPH))
    assert target_bars.target_totals_finding(data) == (
        "2 OSDs share the bytes evenly; OSD 0 has 1.7 times its even share of the operations "
        "(imbalance 1.00)"
    )


# The ribbon.


def test_a_short_file_is_drawn_whole_and_folds_onto_its_objects():
    data = ribbon_data.ribbon_data(one_map(16 * 64 * KIB))
    assert (data.count, data.hidden, data.fold.cells) == (16, 0, 16)
    assert data.fold.targets == [0, 1, 2, 3]
    assert data.fold.column.tolist() == [1, 0, 3, 2] * 4
    assert data.fold.row.tolist() == [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4
    assert [box.object for box in data.fold.boxes] == [0, 1, 2, 3]
    assert data.fold.gaps == []
    line = "stripe 6 = bytes 384-448 KiB → object 2, offset 64 KiB, OSD 3"
    assert ribbon_words.stripe_words(data, 6) == line
    assert ribbon_words.example(data) == 6
    finding = "1 MiB in 16 stripes of 64 KiB, in turn over 4 objects on 4 OSDs"
    assert ribbon_words.ribbon_finding(data) == finding
    assert data.badge == "no run · ceph, asked"


def test_a_long_file_is_abbreviated_in_the_middle_and_says_so():
    data = ribbon_data.ribbon_data(one_map(256 * 64 * KIB))
    assert data.fold.number.tolist() == [*range(16), *range(248, 256)]
    assert data.fold.cell.tolist() == [*range(16), *range(17, 25)]
    assert data.hidden == 232
    assert sorted(data.fold.gaps) == [(column, 5) for column in range(4)]
    assert data.fold.row[16:].tolist() == [6] * 4 + [7] * 4
    assert "232 stripes aren't drawn" in ribbon_words.ribbon_alt(data)


def test_several_sets_of_objects_lie_below_each_other():
    drawn = (1, 0, 3, 2, 2, 2, 3, 0)
    found = one_map(24 * 64 * KIB - 7, object_size="128k", targets=(*drawn, 1, 1, 1, 1))
    data = ribbon_data.ribbon_data(found)
    assert ribbon_words.ribbon_finding(data) == (
        f"{24 * 64 * KIB - 7:,} bytes in 24 stripes of 64 KiB, in turn over 3 sets of 4 objects "
        "(128 KiB each) on 4 OSDs"
    )
    on_two = [(box.object, box.top, box.rows) for box in data.fold.boxes if box.column == 2]
    assert on_two == [(3, 0, 3), (4, 3, 3), (5, 6, 3)]
    assert data.stripes.object_offset[12] == 64 * KIB


def test_objects_that_share_a_server_are_told():
    data = ribbon_data.ribbon_data(one_map(8 * 64 * KIB, targets=(1, 1, 3, 2)))
    assert ribbon_words.ribbon_finding(data).endswith("3 OSDs: some OSDs hold several objects")
    single = ribbon_data.ribbon_data(one_map(8 * 64 * KIB, count=1, targets=(2,)))
    finding = "512 KiB in 8 stripes of 64 KiB, all in one object on one OSD"
    assert ribbon_words.ribbon_finding(single) == finding
    assert single.fold.slots == 6
    assert single.fold.row.tolist() == [1] * 6 + [2] * 2
    assert single.fold.slot.tolist() == [*range(6), 0, 1]


@given(st.integers(1, 40), st.integers(0, 700), st.integers(1, 5))
def test_every_drawn_stripe_has_a_place_of_its_own(count, stripes, turns):
    found = one_map(
        stripes * 10, unit=10, count=count, object_size=10 * turns,
        targets=[n * 7 % 5 for n in range(1000)],
    )  # fmt: skip
    fold = ribbon_data.ribbon_data(found).fold
    places = set(zip(fold.column.tolist(), fold.row.tolist(), fold.slot.tolist(), strict=True))
    assert len(places) == len(fold.number) <= 24 + 8
    assert len(set(fold.cell.tolist())) == len(fold.number)
    assert (np.diff(fold.number) > 0).all()
    assert fold.number.tolist()[-1:] == ([stripes - 1] if stripes else [])
    for box in fold.boxes:
        mine = fold.column == box.column
        inside = mine & (fold.row > box.top) & (fold.row < box.top + box.rows)
        objects = found.stripes.object[fold.number[inside]]
        assert set(objects.tolist()) == {box.object}


def test_who_wrote_which_stripe_and_when():
    rows = [
        record(Op.WRITE, 0, 5, 0, offset=0, length=64 * KIB, file=0),
        record(Op.WRITE, 0, 3, 1, offset=64 * KIB, length=96 * KIB, file=0),
        record(Op.WRITE, 0, 7, 2, offset=160 * KIB, length=16 * KIB, file=0),
        record(Op.WRITE, 0, 7, 4, offset=176 * KIB, length=16 * KIB, file=0),
        record(Op.WRITE, 0, 7, 5, offset=0, length=9, file=1),
    ]
    trace = trace_of(*rows, meta={"map": map_of(256 * KIB)})
    data = ribbon_data.ribbon_data(trace, by="rank")
    assert data.writer.tolist() == [0, 1, SEVERAL, NOBODY]
    assert data.written.tolist() == [5 * MS, 3 * MS, 3 * MS, -1]
    assert data.ranks.tolist() == [0, 1, 2, 4]
    finding = "1 of 4 stripes were written by several ranks"
    assert ribbon_words.ribbon_finding(data) == finding
    assert ribbon_words.stripe_words(data, 2).endswith("written by several ranks")
    assert ribbon_words.stripe_words(data, 1).endswith("OSD 0, by rank 1")
    looks = ribbon.stripe_colors(data, "rank")
    assert len({look.color for look in looks}) == 4
    for wrong in ({"by": "colour"}, {"file": 1}):
        with pytest.raises(UsageError):
            ribbon_data.ribbon_data(trace, **wrong)


# Transfers under stripes.


def under(size, n=8, ranks=2, **options):
    total = n * ranks * size
    return trace_of(*strided(ranks, n, size), meta={"map": map_of(total, **options)})


@pytest.mark.parametrize(
    ("size", "crossing", "finding"),
    [
        (64, 0, "None of 16 writes of 64 bytes crosses a stripe boundary: each asks one OSD"),
        (96, 8, "8 of 16 writes of 96 bytes cross a stripe boundary"),
        (256, 16, "All 16 writes of 256 bytes cross a stripe boundary: each asks for two stripes "
         "or more"),
    ],
)  # fmt: skip
def test_transfers_that_cross_are_counted(size, crossing, finding):
    data = stripe_access.stripe_map_data(under(size, unit=128))
    slow = sum(i * size // 128 != ((i + 1) * size - 1) // 128 for i in range(16))
    assert data.crossing == slow == crossing
    assert stripe_access.stripe_map_finding(data) == finding
    assert data.whole
    assert sorted(data.offset.tolist()) == [i * size for i in range(16)]


def test_of_a_long_file_the_first_stripes_are_drawn_and_all_is_counted():
    data = stripe_access.stripe_map_data(under(96, n=100, unit=128))
    assert data.window == (0, 24 * 128)
    assert not data.whole
    assert data.operations == 200
    assert data.crossing == 100
    assert data.offset.max() < 24 * 128
    assert len(data.stripes.offset) == 24
    chosen = stripe_access.stripe_map_data(under(96, n=100, unit=128), window=(1280, 2560))
    assert chosen.stripes.offset.tolist() == list(range(1280, 2560, 128))


def test_of_very_many_transfers_as_many_are_drawn_as_fit():
    data = stripe_access.stripe_map_data(under(2, n=5000, unit=4 * KIB))
    assert len(data.offset) <= 4000
    assert data.window == (0, 8000)
    assert data.operations == 10000
    assert stripe_access.stripe_map_finding(data).startswith("None of 10,000 writes of 2 bytes")


def test_nothing_is_said_of_stripes_that_nobody_knows():
    data = stripe_access.stripe_map_data(trace_of(*strided()))
    assert stripe_access.stripe_map_finding(data) == "Where the file's stripes lie isn't known"
    assert np.empty(0, RECORD).size == len(data.offset)
    reads = trace_of(*strided(op=Op.READ, phase=Phase.READ), meta={"map": map_of(80 * 47008)})
    assert stripe_access.stripe_map_data(reads).op == "read"


# Verdicts.


@pytest.mark.parametrize(
    ("counts", "found", "text"),
    [
        ([(0, 20), (0, 20)], False, "OSD 0 moved 20 KiB, OSD 1 20 KiB: 0% of all bytes apart"),
        ([(0, 115), (0, 85)], False, "15% of all bytes apart"),
        ([(0, 116), (0, 84)], True, "OSD 0 moved 116 KiB, OSD 1 84 KiB: 16% of all bytes apart"),
        ([(0, 0), (0, 0), (0, 7)], True, "OSD 2 moved 7 KiB, OSD 1 0 bytes: 100%"),
        ([(0, 7)], False, "there is one target: OSD 0"),
        ([(0, 0), (0, 0)], None, "no target moved any bytes"),
        ([], None, "no server told what its targets did"),
    ],
)
def test_the_verdict_on_uneven_targets(counts, found, text):
    verdict = verdicts(trace_of(*samples(counts), *strided(2, 3), meta=CEPH))["targets"]
    assert verdict.found is found
    assert text in verdict.text
    assert bool(verdict.advice) is (found is True)
    if found:
        assert verdict.evidence["worst"][0]["bytes"] > verdict.evidence["worst"][-1]["bytes"]


@pytest.mark.parametrize(
    ("counts", "took", "found", "text"),
    [
        (SLOW, None, True, "OSD 2 had its last byte after 40 ms, the last of the others after 10"),
        ([(0, 2, 4, 10)] * 3, (2, 9, 3), True, "takes 9 ms at OSD 1, at the others up to 3 ms"),
        ([(0, 2, 4, 10)] * 3, (2, 3, 3), False, "3 OSDs were done together"),
        ([(0, 4), (0, 0)], None, False, "1 of 2 OSDs moved bytes"),
        ([], None, None, "no server told"),
    ],
)
def test_the_verdict_on_a_straggler(counts, took, found, text):
    rows = [*samples(counts, took=took), *strided(2, 3)]
    verdict = verdicts(trace_of(*rows, meta=CEPH))["straggler"]
    assert verdict.found is found
    assert text in verdict.text
    assert len(verdict.worst) == (found is True)


def test_a_straggler_at_the_threshold_is_none():
    one_look = [(0, *range(1, 13)), (0, *range(1, 12), 11)]
    near = trace_of(*samples(one_look), meta=CEPH)
    assert verdicts(near, late_share=0.01)["straggler"].found is False
    long = [(0, *range(1, 13)), (0, *range(1, 11), 10, 10)]
    trace = trace_of(*samples(long), meta=CEPH)
    assert verdicts(trace)["straggler"].found is True
    assert verdicts(trace, late_share=0.2)["straggler"].found is False


def test_the_report_of_a_run_with_targets_shows_them():
    trace = trace_of(*strided(), *samples([(0, 40), (0, 40)]), meta={"map": map_of(40 * 47008)})
    titles = [figure.get_suptitle() for figure in report._of_targets(trace)]
    assert len(titles) == 5
    assert titles[0].startswith("1,880,320 bytes in 29 stripes of 64 KiB")
    assert list(report._of_targets(trace_of(*strided()))) == []
