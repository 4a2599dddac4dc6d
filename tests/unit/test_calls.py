"""The numbers of the exact calls are the same in Python and in C."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import piotutor
from piotutor.trace.calls import CALLS, call_flag, call_of
from piotutor.trace.record import Flag

HEADER = Path(piotutor.__file__).parent / "capture/interposer/calls.h"


def test_the_table_in_c_is_the_one_in_python():
    found = re.findall(r"\bX\((\d+), (\w+)\)", HEADER.read_text())
    assert {int(number): name for number, name in found} == CALLS
    assert len(found) == len(CALLS)


def test_a_call_goes_into_the_high_byte_and_comes_back():
    flags = call_flag("pwrite") | Flag.DIRECT
    assert call_of(np.array([flags, Flag.PART], np.uint16)).tolist() == [8, 0]
    assert call_flag("no such call") == 0


def test_numbers_fit_a_byte():
    assert 0 < min(CALLS) <= max(CALLS) < 256
