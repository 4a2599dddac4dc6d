from __future__ import annotations

import argparse
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from workload_strategies import workloads

from piotutor import ior
from piotutor.errors import UsageError
from piotutor.workload import Workload, options


def by_parser(line):
    parser = argparse.ArgumentParser()
    ior.add_options(parser)
    return ior.from_namespace(parser.parse_args(shlex.split(line)))


def sayable(workload):
    return workload.replace(meta_block_size=None)


@given(workloads())
def test_command_and_parse_are_inverse(workload):
    said = sayable(workload)
    assert ior.parse(ior.command(said)) == (said, [])
    assert ior.command(ior.parse(ior.command(workload))[0]) == ior.command(said)


@given(workloads())
def test_the_parser_reads_what_command_writes(workload):
    said = sayable(workload).replace(hints=())
    words = shlex.split(ior.command(said))
    options_only = shlex.join(words[words.index("ior") + 1 :])
    assert by_parser(f"-n {said.num_tasks} {options_only.replace('-a DUMMY', '-a NULL')}") == said


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("", {}),
        ("ior", {}),
        ("ior -a MPIIO -t 47008 -b 47008 -s 200", {
            "api": "MPIIO", "transfer_size": 47008, "block_size": 47008, "segment_count": 200}),
        ("-a mpiio", {"api": "MPIIO"}),
        ("ior -a DUMMY", {"api": "NULL"}),
        ("mpirun -np 8 /opt/ior/bin/ior -w -k", {"num_tasks": 8, "write": True, "keep": True}),
        ("mpiexec -n 8 ior -N 2", {"num_tasks": 2}),
        ("srun --ntasks=8 --ntasks-per-node=4 ior -wr", {
            "num_tasks": 8, "tasks_per_node": 4, "write": True, "read": True}),
        ("ior -b4k -t=4k", {"block_size": 4096, "transfer_size": 4096}),
        ("ior -wkb 4k -t 8", {
            "write": True, "keep": True, "block_size": 4096, "transfer_size": 8}),
        ("ior -zz", {"random_offset": 2}),
        ("ior -z -z", {"random_offset": 2}),
        ("ior -z=2", {"random_offset": 2}),
        ("ior -F=0 -e=1", {"fsync": True}),
        ("ior -s 1k", {"segment_count": 1024}),
        ("ior -C -Q 2 -O numTasksOnNode0=1,checkWrite=1 -w", {
            "reorder_tasks": True, "task_offset": 2, "tasks_per_node": 1, "verify_write": True,
            "write": True}),
        ("ior -O useO_DIRECT=1,BLOCKSIZE=2m", {"direct_io": True, "block_size": 2**21}),
        ("ior -Ocollective=1 -a MPIIO", {"collective": True, "api": "MPIIO"}),
        ("ior -a HDF5 --hdf5.chunkSize=16 --hdf5.setAlignment 1m --collective", {
            "api": "HDF5", "chunk_size": 16, "alignment": 2**20, "collective": True}),
        ("IOR_HINT__MPI__cb_nodes=2 mpiexec -n 4 ior -a MPIIO --hints romio_cb_write=enable", {
            "api": "MPIIO", "hints": (("cb_nodes", "2"), ("romio_cb_write", "enable"))}),
        ("mpiexec -genv IOR_HINT__MPI__cb_nodes 2 -n 3 ior -a MPIIO", {
            "api": "MPIIO", "num_tasks": 3, "hints": (("cb_nodes", "2"),)}),
        ("ior -o '/a b/c' # what for", {"test_file": "/a b/c"}),
        ("ior -z -w -R --random-offset-seed 3", {
            "random_offset": 1, "write": True, "verify_read": True, "random_offset_seed": 3}),
        ("ior -r -R -G 7", {"read": True, "verify_read": True, "signature": 7}),
    ],
)  # fmt: skip
def test_a_command_line_is_read(line, values):
    assert ior.parse(line) == (Workload(**values), [])
    assert ior.parse(shlex.split(line, comments=True)) == (Workload(**values), [])


@pytest.mark.parametrize(
    ("line", "unsupported"),
    [
        ("ior -v -v", ["-v (verbose)", "-v (verbose)"]),
        ("ior -vv -T 5", ["-v (verbose)", "-v (verbose)", "-T 5 (longest time)"]),
        ("ior -Z -X 3", ["-Z (random order of tasks)", "-X 3 (seed of -Z)"]),
        ("ior -O summaryFormat=JSON", ["-O summaryFormat=JSON (directive)"]),
        (
            "ior --posix.lustre.stripecount=4",
            ["--posix.lustre.stripecount 4 (Lustre stripe count)"],
        ),
        ("mpiexec --bind-to core -n 2 ior", ["--bind-to core (mpiexec's)"]),
        ("mpirun -x A=1 -n 2 ior", ["A=1 (environment)"]),
    ],
)
def test_what_it_cannot_express_is_named(line, unsupported):
    assert ior.parse(line)[1] == unsupported


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("ior -q", "'-q' is no option of IOR"),
        ("ior --posix.odirct", "did you mean --posix.odirect?"),
        ("ior 4k", "'4k' is no option of IOR"),
        ("ior -b", "-b needs a value"),
        ("ior -b 1MB", "block_size (-b): '1MB' is ambiguous"),
        ("ior -b -8", "block_size (-b): -8 is negative"),
        ("ior -O blokSize=4", "did you mean"),
        ("ior -O blockSize", "has no value"),
        ("ior -o 'x", "check its quotes"),
        ("ior -a POSIX -c", "collective (-c) does nothing with -a POSIX"),
        ("ior -a NCMPI", "choose NULL, POSIX, MPIIO, HDF5"),
        ("ior -z -w -R", "add --random-offset-seed"),
        ("ior -z -C", "add -F"),
        ("ior -z -z -z", "at most 2"),
        ("ior -N 0", "num_tasks (-n) is 0"),
        ("ior -a MPIIO --hints cb_node=1", "did you mean cb_nodes?"),
        ("ior -F=2", "give true or false"),
        ("ior -w -", "is no option of IOR"),
        ("ior ''", "is no option of IOR"),
    ],
)
def test_mistakes_are_named_in_one_line(line, says):
    with pytest.raises(UsageError) as caught:
        ior.parse(line)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_ior_cannot_say_is_named():
    workload = Workload(api="HDF5", meta_block_size=2**20, test_file="a@b", write=True)
    said = ior.command(workload)
    assert "# not in IOR: --hdf5.metaBlockSize=1m a file name with an @" in said
    assert ior.parse(said)[0] == workload.replace(meta_block_size=None)


def test_the_parser_offers_every_option():
    parser = argparse.ArgumentParser()
    ior.add_options(parser)
    text = parser.format_help()
    for option in options().values():
        assert all(flag in text for flag in option.flags)
        assert option.group in text
    assert by_parser("") == Workload()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("-b 0", "block_size (-b) is 0 bytes"),
        ("-b -8", "-8 is negative"),
        ("-n four", "num_tasks (-n): 'four'"),
        ("-z -w -R", "--random-offset-seed"),
        ("-O summaryFile=x", "can't express"),
        ("-a MPIIO --hints x", "has no value"),
    ],
)
def test_the_parser_s_mistakes_are_usage_errors(line, says):
    with pytest.raises(UsageError) as caught:
        by_parser(line)
    assert says in str(caught.value)


def test_the_parser_takes_directives():
    assert by_parser("-O numTasks=2,blockSize=2m -N 3").num_tasks == 3
    assert by_parser("-zz -F").random_offset == 2


SOME = (
    "ior mpiexec -n 4 -np -N 2 -a POSIX mpiio HDF5 -b -t 64k 1MB -8 -z -zz -F -C -Q -O x=1 "
    "blockSize=8 -O= = - -- --hints cb_nodes=2 =x -genv -x A=1 IOR_HINT__MPI__cb_nodes=2 "
    "--posix.odirect -v -T -wrb -i 0 -o / -D --hdf5.chunkSize"
)
WORDS = st.sampled_from(SOME.split())


@given(st.text() | st.lists(WORDS | st.text(max_size=4)))
def test_any_words_are_a_workload_or_a_usage_error(line):
    try:
        workload, unsupported = ior.parse(line)
    except UsageError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert isinstance(workload, Workload)
        assert all(isinstance(words, str) for words in unsupported)


@pytest.mark.parametrize("given", [None, 5, [1, 2], b"ior", ["ior", None]])
def test_what_is_no_text_is_no_command_line(given):
    with pytest.raises(UsageError, match="no command line"):
        ior.workload_of(given)
