"""Slowed servers: what may be asked for, and how it is told."""

from __future__ import annotations

import pytest

from piotutor.capture import UnavailableError
from piotutor.errors import UsageError
from piotutor.storage import parse
from piotutor.storage.ceph import slow
from piotutor.storage.ceph.slow import Delay, Slow, Slowing, told
from piotutor.storage.ceph.standing import Standing

MIB = 1 << 20


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (Slow.of, "2@5m", Slow(2, 5 * MIB)),
        (Slow.of, "0@256k", Slow(0, 262144)),
        (Delay.of, "0.02@1", Delay(0.02, 1)),
        (Delay.of, "0.5", Delay(0.5)),
    ],
)
def test_a_value_is_read_and_written_back(read, text, value):
    assert read(text) == value
    assert str(value) == text


def test_options_are_text_in_one_form():
    assert slow.read_slow("2@5120k") == "2@5m"
    assert slow.read_delay(0.020) == slow.read_delay("2e-2") == "0.02"


@pytest.mark.parametrize(
    ("read", "text", "advice"),
    [
        (slow.read_slow, "5m", "as in 2@5m"),
        (slow.read_slow, "2@", "no size"),
        (slow.read_slow, "x@5m", "whole number"),
        (slow.read_slow, "-1@5m", "whole number"),
        (slow.read_slow, "2@5MB", "write MiB"),
        (slow.read_delay, "@1", "seconds"),
        (slow.read_delay, "-1@1", "seconds"),
        (slow.read_delay, "0.02@", "whole number"),
        (slow.read_delay, "60", "at most 5 seconds"),
        (slow.read_delay, "nan", "seconds"),
    ],
)
def test_what_cannot_be_is_refused_with_advice(read, text, advice):
    with pytest.raises(UsageError, match=advice):
        read(text)


@pytest.mark.parametrize("wrong", [{"slow": Slow(4, MIB)}, {"delay": Delay(0.1, 7)}])
def test_a_server_that_is_not_there_is_refused(wrong):
    with pytest.raises(UsageError, match="choose one of 0 to 3"):
        Slowing(4, **wrong)


@pytest.mark.parametrize("wrong", [{"slow": Slow(3, 1024)}, {"rate": 1024}])
def test_a_rate_that_ceph_does_not_live_with_is_refused(wrong):
    with pytest.raises(UsageError, match="256 KiB/s or more"):
        Slowing(4, **wrong)


def test_rates_and_delays_of_each_server():
    assert Slowing(3).rates == Slowing(3).delays == {}
    assert Slowing(3, rate=MIB, slow=Slow(1, 9 * MIB)).rates == {0: MIB, 1: 9 * MIB, 2: MIB}
    assert Slowing(3, slow=Slow(1, 9 * MIB)).rates == {1: 9 * MIB}
    assert Slowing(3, delay=Delay(0.1)).delays == {0: 0.1, 1: 0.1, 2: 0.1}
    assert Slowing(3, delay=Delay(0.1, 2)).delays == {2: 0.1}


@pytest.mark.parametrize(
    ("rates", "delays", "text"),
    [
        ({}, {}, ""),
        (dict.fromkeys(range(4), 25 * MIB), {}, "each OSD at 25 MiB/s (tc)"),
        ({2: 5 * MIB}, {}, "OSD 2 at 5 MiB/s (tc)"),
        (
            {0: 25 * MIB, 1: 25 * MIB, 2: 5 * MIB, 3: 25 * MIB},
            {},
            "OSD 2 at 5 MiB/s, OSDs 0, 1, 3 at 25 MiB/s (tc)",
        ),
        ({}, {1: 0.02}, "dispatch delay of 20 ms on OSD 1"),
        ({0: MIB}, {0: 1.0}, "OSD 0 at 1 MiB/s (tc); dispatch delay of 1 s on OSD 0"),
    ],
)
def test_it_is_told_in_words(rates, delays, text):
    assert told(rates, delays, 4) == text


def test_without_networks_of_ones_own_a_delay_is_named_instead(monkeypatch):
    def refused():
        raise UnavailableError("unshare failed: Operation not permitted (a container forbids it)")

    monkeypatch.setattr(slow.namespaces, "find", refused)
    with pytest.raises(UsageError, match=r"not permitted .*delay=0\.02@1 slows a server"):
        Slowing(4, rate=MIB).way()
    assert Slowing(4, delay=Delay(0.1)).way() is None


def test_a_ceph_without_a_network_of_its_own_cannot_be_slowed_later(tmp_path):
    with pytest.raises(UsageError, match="start it with rate="):
        Standing(home=tmp_path).slow_down(0, "5m")


def test_the_options_of_a_spec_are_these():
    storage = parse("ceph:osds=3,rate=25m,slow=2@5m,delay=0.02")
    assert str(storage) == "ceph:osds=3,rate=25m,slow=2@5m,delay=0.02"
    assert storage.slowing == Slowing(3, 25 * MIB, Slow(2, 5 * MIB), Delay(0.02))
    with pytest.raises(UsageError, match="there is no OSD 3"):
        parse("ceph:osds=3,slow=3@5m")
