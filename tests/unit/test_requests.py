"""The text of the kernel's block tracer, as several kernels print it, becomes requests."""

from __future__ import annotations

import pytest

from piotutor.capture.requests import Request, Requests, op_of
from piotutor.trace import Op

# As printed by several kernels: 3.x (bytes are 0), 5.x (four flags), 6.x (five), 6.11 (priority).
SAMPLES = {
    "3.x": (
        "paging-10477 [004] d... 28336.973291: block_rq_issue: 8,0 R 0 () 10844936 + 8 [paging]\n"
        "<idle>-0     [004] ..s. 28336.973316: block_rq_complete: 8,0 R () 10844936 + 8 [0]\n",
        [Request("8:0", Op.READ, 10844936 * 512, 4096, 28336973291000, 28336973316000, 0)],
    ),
    "bios of a logical volume": (
        "paging-10477 [004] d... 28336.973281: block_bio_queue: 253,1 R 8334088 + 8 [paging]\n"
        "<idle>-0     [004] ..s. 28336.973316: block_bio_complete: 253,1 R 8334088 + 8 [0]\n",
        [Request("253:1", Op.READ, 8334088 * 512, 4096, 28336973281000, 28336973316000, 0)],
    ),
    "5.x, a flush that fails": (
        " rep-306069 [007] .... 19654.923315: block_bio_queue: 8,0 FWS 0 + 0 [rep]\n"
        " kworker/7:1H-250   [007] .... 19654.923352: block_rq_issue: 8,0 FF 0 () 0 + 0 [kworker]\n"
        " <idle>-0     [007] ..s. 19654.923562: block_rq_complete: 8,0 FF () "
        "18446744073709551615 + 0 [-5]\n"
        " <idle>-0     [007] d.s. 19654.923576: block_rq_complete: 8,0 WS () 0 + 0 [-5]\n",
        [Request("8:0", Op.SYNC, -1, 0, 19654923352000, 19654923562000, -5)],
    ),
    "a passed-on command is no request of ours": (
        "  kworker/u16:9-325     [000] ...2.   230.478731: block_rq_issue: 8,0 N 36 "
        "(12 01 80 00) 0 + 0 [kworker/u16:9]\n",
        [],
    ),
    "6.x, whole or not at all": (
        "xfs_io-4238  [009] .....  4148.126843: block_rq_issue: 259,0 WFSU 16384 () 768 + 32 "
        "none,0,0 [xfs_io]\n"
        "<idle>-0     [009] d.h1.  4148.129864: block_rq_complete: 259,0 WFSU () 768 + 32 "
        "none,0,0 [0]\n",
        [Request("259:0", Op.WRITE, 768 * 512, 16384, 4148126843000, 4148129864000, 0)],
    ),
    "6.18, as it was recorded": (
        "          python-13395   [001] ...1. 12292.040262: block_rq_insert: 254,0 WS 4096 () "
        "261915160 + 8 be,0,4 [python]\n"
        "          python-13395   [001] ..... 12292.040267: block_rq_issue: 254,0 WS 4096 () "
        "261915160 + 8 be,0,4 [python]\n"
        "          python-13394   [001] ..s1. 12292.041835: block_rq_complete: 254,0 WS () "
        "261915160 + 8 be,0,4 [0]\n",
        [Request("254:0", Op.WRITE, 261915160 * 512, 4096, 12292040267000, 12292041835000, 0)],
    ),
    "with the process number, and names that look like lines": (
        "  a b: 8,0 W [1]-37    (     37) [001] ...1     7.000001: block_rq_issue: 8,0 WS 4096 () "
        "16 + 8 [a b: 8,0 W [1]]\n"
        "  [0] 1.1: blo(-9      (-------) [013] ..s1  1007.000003: block_rq_complete: 8,0 WS () "
        "16 + 8 [0]\n",
        [Request("8:0", Op.WRITE, 8192, 4096, 7000001000, 1007000003000, 0)],
    ),
    "a name with a line's end in it": (
        "  a\n[0] b-37  [001] .....     7.000001: block_rq_issue: 8,0 RA 4096 () 16 + 8 [a\n[0]]\n"
        "  a\n[0] b-37  [001] .....     7.000002: block_rq_complete: 8,0 RA () 16 + 8 [0]\n",
        [Request("8:0", Op.READ, 8192, 4096, 7000001000, 7000002000, 0)],
    ),
    "done in two parts, the second in error": (
        "x-1 [000] ..... 1.000001: block_rq_issue: 8,0 W 8192 () 16 + 16 none,0,0 [x]\n"
        "x-1 [000] ..... 1.000005: block_rq_complete: 8,0 W () 16 + 8 none,0,0 [0]\n"
        "x-1 [000] ..... 1.000009: block_rq_complete: 8,0 W () 24 + 8 none,0,0 [-5]\n",
        [
            Request("8:0", Op.WRITE, 8192, 4096, 1000001000, 1000005000, 0),
            Request("8:0", Op.WRITE, 12288, 4096, 1000001000, 1000009000, -5),
        ],
    ),
    "issued before we looked": (
        "x-1 [000] ..... 1.000005: block_rq_complete: 8,0 W () 16 + 8 none,0,0 [0]\n",
        [],
    ),
}


@pytest.mark.parametrize("kernel", SAMPLES)
def test_lines_of_several_kernels(kernel):
    text, expected = SAMPLES[kernel]
    assert Requests().feed(text.encode()) == expected


@pytest.mark.parametrize("kernel", SAMPLES)
def test_text_may_be_cut_anywhere(kernel):
    text, expected = SAMPLES[kernel]
    for size in (1, 7, 100):
        requests, data = Requests(), text.encode()
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert [done for piece in pieces for done in requests.feed(piece)] == expected


def test_lost_events_are_counted_and_what_was_under_way_is_not_trusted():
    requests = Requests()
    text = (
        "x-1 [000] ..... 1.000001: block_rq_issue: 8,0 W 4096 () 16 + 8 none,0,0 [x]\n"
        "CPU:1 [LOST 12 EVENTS]\n"
        "x-1 [000] ..... 3.000001: block_rq_complete: 8,0 W () 16 + 8 none,0,0 [0]\n"
    )
    assert requests.feed(text.encode()) == []
    assert requests.lost == 13


@pytest.mark.parametrize(
    ("rwbs", "sectors", "op"),
    [
        (b"W", 8, Op.WRITE),
        (b"WS", 8, Op.WRITE),
        (b"FWFS", 8, Op.WRITE),
        (b"WM", 8, Op.WRITE),
        (b"R", 8, Op.READ),
        (b"RAM", 8, Op.READ),
        (b"FF", 0, Op.SYNC),
        (b"FWS", 0, Op.SYNC),
        (b"WS", 0, None),
        (b"D", 8, None),
        (b"DE", 8, None),
        (b"WZ", 8, None),
        (b"N", 0, None),
    ],
)
def test_letters_of_an_event(rwbs, sectors, op):
    assert op_of(rwbs, sectors) == op
