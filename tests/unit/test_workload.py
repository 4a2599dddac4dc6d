from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from workload_strategies import workloads

from piotutor.errors import UsageError
from piotutor.hints import KNOWN, parse_hints
from piotutor.option import markdown
from piotutor.rules import RULES
from piotutor.workload import Workload, options

BIG = 2**62


def test_defaults_are_those_of_ior():
    workload = Workload()
    assert (workload.api, workload.num_tasks) == ("POSIX", 4)
    assert (workload.block_size, workload.transfer_size) == (2**20, 2**18)
    assert (workload.segment_count, workload.repetitions, workload.task_offset) == (1, 1, 1)
    assert workload.phases == ("write", "read")


def test_every_field_has_one_option():
    for name, option in options().items():
        assert option.name == name
        assert option.help and option.group and option.flags
        assert option.check(option.default) == option.default
    flags = [flag for option in options().values() for flag in option.flags]
    assert len(flags) == len(set(flags))


def test_sizes():
    workload = Workload(num_tasks=3, block_size=4096, transfer_size=1024, segment_count=5)
    assert (workload.bytes_per_rank, workload.total_bytes) == (20480, 61440)
    assert (workload.num_files, workload.bytes_per_file) == (1, 61440)
    own = workload.replace(file_per_process=True)
    assert (own.num_files, own.bytes_per_file) == (3, 20480)


@pytest.mark.parametrize(
    ("asked", "phases"),
    [
        ({}, ("write", "read")),
        ({"write": True}, ("write",)),
        ({"read": True}, ("read",)),
        ({"verify_write": True}, ("check_write",)),
        ({"write": True, "verify_read": True}, ("write", "read")),
        ({"write": True, "verify_write": True, "read": True}, ("write", "check_write", "read")),
        ({"verify_read": True, "signature": 3}, ("read",)),
    ],
)
def test_phases(asked, phases):
    assert Workload(**asked).phases == phases


REFUSED = [
    ({"block_size": 0}, "block_size (-b) is 0 bytes: give at least 8 bytes"),
    ({"block_size": -8}, "give at least 8 bytes"),
    ({"block_size": 2**63}, "give at most"),
    ({"block_size": 1e6}, "give a whole number"),
    ({"block_size": True}, "give a whole number"),
    ({"block_size": "1m"}, "give a whole number"),
    ({"block_size": None}, "give a whole number"),
    ({"transfer_size": 0}, "transfer_size (-t) is 0 bytes"),
    ({"transfer_size": 100, "block_size": 1000}, "multiple of 8"),
    ({"transfer_size": 12, "block_size": 24}, "multiple of 8"),
    ({"segment_count": 0}, "segment_count (-s) is 0: give at least 1"),
    ({"segment_count": BIG}, "less than 2^63"),
    ({"num_tasks": 0}, "num_tasks (-n) is 0"),
    ({"num_tasks": 2**31}, "give at most"),
    ({"num_tasks": -4}, "give at least 1"),
    ({"tasks_per_node": 0}, "tasks_per_node (--tasks-per-node) is 0"),
    ({"repetitions": 0}, "repetitions (-i) is 0"),
    ({"task_offset": -1}, "task_offset (-Q) is -1"),
    ({"stonewall": -1}, "stonewall (-D) is -1"),
    ({"random_offset": 3}, "random_offset (-z) is 3: give at most 2"),
    ({"random_offset_seed": -1}, "give at least 0"),
    ({"signature": 0}, "signature (-G) is 0"),
    ({"api": "posix"}, "choose NULL, POSIX, MPIIO, HDF5"),
    ({"api": "NCMPI"}, "choose NULL, POSIX, MPIIO, HDF5"),
    ({"api": 3}, "choose NULL"),
    ({"write": 1}, "give true or false"),
    ({"collective": "yes", "api": "MPIIO"}, "give true or false"),
    ({"test_file": ""}, "give the path of a file"),
    ({"test_file": "dir/"}, "give the path of a file"),
    ({"test_file": "a\0b"}, "give the path of a file"),
    ({"test_file": 3}, "give a path as text"),
    ({"collective": True}, "collective (-c) does nothing with -a POSIX"),
    ({"collective": True, "api": "NULL"}, "take -a MPIIO or HDF5"),
    ({"direct_io": True, "api": "MPIIO"}, "direct_io (--posix.odirect) does nothing"),
    ({"use_file_view": True, "api": "HDF5"}, "does nothing with -a HDF5"),
    ({"alignment": 4096, "api": "MPIIO"}, "alignment (--hdf5.setAlignment) does nothing"),
    ({"alignment": 0, "api": "HDF5"}, "give at least 1 byte"),
    ({"hints": (("cb_nodes", "2"),)}, "hints (--hints) does nothing with -a POSIX"),
    ({"hints": (("cb_node", "2"),), "api": "MPIIO"}, "did you mean cb_nodes?"),
    ({"hints": (("xyzzy", "2"),), "api": "MPIIO"}, "unknown to MPI-IO"),
    ({"hints": (("cb_nodes", ""),), "api": "MPIIO"}, "--hints cb_nodes=VALUE"),
    ({"hints": (("cb_nodes", "1"),) * 2, "api": "MPIIO"}, "given 2 times"),
    ({"hints": "cb_nodes", "api": "MPIIO"}, "name=value pairs"),
    ({"hints": (("cb_nodes", 2),), "api": "MPIIO"}, "name=value pairs"),
    # IOR's ValidateTests, in its order
    ({"block_size": 256, "transfer_size": 512}, "smaller than transfer_size"),
    ({"block_size": 1000, "transfer_size": 24}, "no multiple of transfer_size"),
    ({"random_offset": 1, "block_size": 512, "transfer_size": 512}, "make -b larger"),
    ({"random_offset": 1, "reorder_tasks": True}, "add -F"),
    ({"random_offset": 2, "reorder_tasks": True, "read": True}, "add -F"),
    ({"random_offset": 1, "api": "HDF5"}, "not available with -a HDF5"),
    ({"random_offset": 1, "api": "MPIIO", "collective": True}, "not available with collective"),
    ({"random_offset": 1, "api": "MPIIO", "use_file_view": True}, "with use_file_view"),
    ({"verify_read": True}, "give the signature (-G)"),
    ({"verify_read": True, "read": True}, "give the signature (-G)"),
    # what would be silently wrong
    ({"use_strided_datatype": True, "api": "MPIIO"}, "add --mpiio.useFileView"),
    ({"api": "NULL", "write": True, "verify_write": True}, "-a NULL keeps none"),
    ({"api": "NULL", "write": True, "verify_read": True}, "-a NULL keeps none"),
    ({"stonewall_wear_out": True}, "add -D with seconds"),
    ({"random_offset": 2, "write": True, "verify_write": True}, "leaves blocks unwritten"),
    ({"queue_depth": (1, 2, 4), "read": True}, "a multiple of how many there are"),
    ({"queue_depth": 8, "write": True}, "take -r, and neither -R nor -D"),
    ({"queue_depth": 8, "read": True, "stonewall": 1}, "take -r, and neither -R nor -D"),
    ({"queue_depth": 0, "read": True}, "queue_depth (--queue-depth) is 0: give at least 1"),
    ({"queue_depth": (), "read": True}, "give a whole number, or a list of them"),
    ({"queue_depth": "8", "read": True}, "give a whole number, or a list of them"),
    ({"queue_depth": 8, "api": "MPIIO"}, "queue_depth (--queue-depth) does nothing"),
    ({"api": "HDF5", "chunk_size": 2**20}, "larger than a segment's dataset"),
]


@pytest.mark.parametrize(("values", "says"), REFUSED, ids=lambda x: str(x)[:60])
def test_what_makes_no_sense_is_refused_in_one_line(values, says):
    with pytest.raises(UsageError) as caught:
        Workload(**values)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value) and "{" not in str(caught.value).replace(repr(values), "")


def test_every_rule_is_met_by_a_case():
    met = set()
    for values, _ in REFUSED:
        try:
            Workload(**values)
        except UsageError as error:
            met |= {n for n, (_, text) in enumerate(RULES) if text.rsplit("}")[-1] in str(error)}
    assert met == set(range(len(RULES)))


@pytest.mark.parametrize(
    "values",
    [
        {"random_offset": 1, "reorder_tasks": True, "file_per_process": True},
        {"random_offset": 2, "block_size": 512, "transfer_size": 512},
        {"file_per_process": True, "collective": True, "api": "MPIIO"},
        {"num_tasks": 10**6, "block_size": 2**40, "transfer_size": 2**20},
        {"hints": [["cray_cb_nodes_multiplier", "2"]], "api": "MPIIO"},
        {"random_offset": 2, "verify_read": True, "signature": 5},
    ],
)
def test_what_ior_allows_is_allowed(values):
    assert Workload.from_dict(Workload(**values).to_dict()) == Workload(**values)


def test_make_reads_text():
    workload = Workload.make(
        api="mpiio", block_size="1 MiB", transfer_size="64k", num_tasks="2", collective="1",
        hints="cb_nodes=2,cb_config_list=a:1,b:1", segment_count=np.int64(3),
    )  # fmt: skip
    assert (workload.api, workload.block_size, workload.collective) == ("MPIIO", 2**20, True)
    assert workload.hints == (("cb_nodes", "2"), ("cb_config_list", "a:1,b:1"))
    assert type(workload.segment_count) is int


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"blok_size": 1}, "did you mean block_size?"),
        ({"block_size": "1MB"}, "block_size (-b): '1MB' is ambiguous"),
        ({"num_tasks": "four"}, "num_tasks (-n): 'four'"),
        ({"collective": "maybe"}, "give true or false"),
        ({"hints": "cb_nodes"}, "has no value"),
    ],
)
def test_make_names_the_parameter(values, says):
    with pytest.raises(UsageError) as caught:
        Workload.make(**values)
    assert says in str(caught.value)


def test_replace_checks_again():
    assert Workload().replace(block_size="2m").block_size == 2**21
    with pytest.raises(UsageError, match="smaller"):
        Workload().replace(block_size="64k")


@pytest.mark.parametrize(
    "values",
    [None, [], "x", {"api": "POSIX", "extra": 1}, {1: 2}, {"num_tasks": "4"}, {"hints": [["a"]]}],
)
def test_from_dict_is_strict(values):
    with pytest.raises(UsageError):
        Workload.from_dict(values)


@given(workloads())
def test_it_survives_json_and_pickle(workload):
    assert Workload.from_dict(json.loads(json.dumps(workload.to_dict()))) == workload
    assert pickle.loads(pickle.dumps(workload)) == workload
    assert workload.replace() == workload


@settings(max_examples=20)
@given(workloads())
def test_it_is_frozen_and_hashable(workload):
    hash(workload)
    with pytest.raises(AttributeError):
        workload.block_size = 8


def test_the_documentation_s_table_is_made_from_the_options():
    page = Path(__file__).parents[2] / "docs" / "workload.md"
    assert markdown(options().values()) in page.read_text()


def test_hints_keep_commas_in_values():
    assert parse_hints(" cb_nodes = 2 , cb_config_list=a:1,b:1") == (
        ("cb_nodes", "2"),
        ("cb_config_list", "a:1,b:1"),
    )
    assert parse_hints("") == ()
    assert all(text for text in KNOWN.values())
