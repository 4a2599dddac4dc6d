#!/bin/sh
# Set up piotutor and start what is asked for. Needs a POSIX shell and python3 (3.10 or newer).
#
#   sh setup.sh lab [OPTION ...]     open JupyterLab on notebooks/ (options go to JupyterLab)
#   sh setup.sh test [OPTION ...]    run all checks and tests (options go to pytest)
#   sh setup.sh lint                 run the checks alone
#   sh setup.sh notebooks [OPTION ...]  write the notebooks from their sources
#   sh setup.sh bundle [DIRECTORY]   pack all that "lab" needs where there is no network
#   sh setup.sh install              set up, start nothing
#   sh setup.sh ceph                 get Ceph, for "--storage ceph": installed, or unpacked without root
#   sh setup.sh stack                say which stack would be chosen, and why
#
#   STACK=conda|site|hdf5|pip|openmpi  choose the MPI and HDF5 (docs/install.md)
#   OFFLINE=DIRECTORY                  install from an unpacked bundle, without a network
#   PYTHON=PROGRAM                     the Python to start from
set -eu
cd "$(dirname "$0")"
ROOT=$(pwd -P)
OFFLINE=${OFFLINE:-}
BEGAN=$(date +%s)

. tools/setup/environment.sh
. tools/setup/stacks.sh

say() { printf 'piotutor: %s\n' "$*"; }
die() { printf 'piotutor: error: %s\n' "$*" >&2; exit 1; }

# Run a command out of sight, showing that it goes on: step "what it does" COMMAND ...
# It runs in the background so that a signal reaches us, and through us the command, at once.
step() {
    "$PYTHON" "$ROOT/tools/setup/step.py" "$LOG" "$@" &
    child=$!
    status=0
    wait "$child" || status=$?
    child=
    return "$status"
}

# ---------------------------------------------------------------- what there is, what is wanted

find_python() { # in $PYTHON, by its path outside any virtual environment, which may be ours
    set -- python3 python3.14 python3.13 python3.12 python3.11 python3.10
    [ -z "${PYTHON:-}" ] || set -- "$PYTHON"
    for python in "$@"; do
        PYTHON=$("$python" -c 'import sys
if sys.version_info >= (3, 10): print(sys._base_executable)' 2>/dev/null) || PYTHON=
        [ -z "$PYTHON" ] || return 0
    done
    die "no Python 3.10 or newer: install python3, or name one with PYTHON=/path/to/python3"
}

apt_install() { # apt_install "what for" PACKAGE ...: as root, but no password is ever asked for
    what=$1
    shift
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" = 0 ]; then
        as='env'
    elif sudo -n true 2>/dev/null; then
        as='sudo -n env'
    else
        return 1
    fi
    # shellcheck disable=SC2086 # two words are meant
    step "updating the system's package lists" $as apt-get update -qq &&
        step "$what" $as DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "$@"
}

conda_tool() {
    for tool in mamba micromamba conda; do
        command -v "$tool" && return
    done
    return 1
}

conda_active() { # an active environment that environment.yml could have made
    [ -n "${CONDA_PREFIX:-}" ] && [ -x "$CONDA_PREFIX/bin/python" ] &&
        ls "$CONDA_PREFIX"/conda-meta/mpi4py-*.json "$CONDA_PREFIX"/conda-meta/h5py-*.json \
            >/dev/null 2>&1
}

# Sets `stacks`, to be tried in this order, and `why` the first of them comes first.
choose_stacks() {
    stacks=pip
    why="there is no conda, no MPICC, and this is neither Debian nor Ubuntu"
    if command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
        stacks="hdf5 $stacks"
        why="Debian or Ubuntu, whose parallel HDF5 fits PyPI's MPICH"
    fi
    if [ -n "${MPICC:-}" ]; then
        command -v "$MPICC" >/dev/null || die "MPICC=$MPICC is no program"
        stacks="site $stacks"
        why="MPICC is set: $MPICC"
    fi
    if conda_active; then
        stacks="conda $stacks"
        why="an active conda environment has mpi4py and h5py: $CONDA_PREFIX"
    elif conda_tool >/dev/null; then
        stacks="conda $stacks"
        why="on the PATH: $(conda_tool)"
    fi
    if [ -n "$OFFLINE" ]; then
        trouble=$("$PYTHON" tools/setup/check_bundle.py "$OFFLINE" 2>&1) || die "$trouble"
        stacks=$(cat "$OFFLINE/stack")
        why="it is what the bundle holds"
    fi
    case ${STACK:-} in
    '') ;;
    conda | site | hdf5 | pip | openmpi)
        [ "$STACK" != site ] || [ -n "${MPICC:-}" ] || die "STACK=site needs MPICC=/path/to/mpicc"
        [ -z "$OFFLINE" ] || [ "$STACK" = pip ] || [ "$STACK" = "$stacks" ] ||
            die "the bundle holds the stacks $stacks and pip, not $STACK"
        stacks=$STACK
        why="STACK=$STACK"
        ;;
    *) die "STACK=$STACK is unknown: choose conda, site, hdf5, pip or openmpi" ;;
    esac
}

# --------------------------------------------------------------------------------- set up

# Held by an open file: it is gone when the last process of a setup is, however that ended.
lock() {
    exec 9>"$ROOT/.venv-lock"
    "$PYTHON" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)' 2>/dev/null || {
        say "another setup is at work in $ROOT: waiting for it"
        "$PYTHON" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
    }
}

stopped() {
    [ -z "${child:-}" ] || kill "$child" 2>/dev/null || :
    say "stopped; the same command goes on from here" >&2
    exit 130
}

place() { # where a stack's environment lies, in $V
    V=$ROOT/.venv
    case $1 in
    openmpi) V=$ROOT/.venv-openmpi ;;
    conda) ! conda_active || V=$CONDA_PREFIX ;;
    esac
}

set_up() { # set_up lab|test: an environment that is whole, in $V
    level=$1
    find_python
    choose_stacks
    wanted=${stacks%% *}
    lock
    place "$wanted"
    sources=$(cat pyproject.toml environment.yml setup.sh tools/setup/*.* piotutor/kernels/*.c \
        piotutor/capture/interposer/*.[ch] piotutor/engine/core/*.* | cksum)
    key="$V $("$PYTHON" -V) ${MPICC:-} ${HDF5_DIR:-} $sources"
    LOG=$ROOT/.venv-logs/setup.log
    mkdir -p "$ROOT/.venv-logs"
    if ready; then
        say "the $got stack is ready in $V"
    else
        : >"$LOG"
        trap stopped HUP INT TERM
        say "stack: $wanted ($why)"
        try_stacks
        trap - HUP INT TERM
    fi
    exec 9>&-
    PATH=$V/bin:$PATH
    VIRTUAL_ENV=$V
    export PATH VIRTUAL_ENV
}

ready() { # was this, or more, set up before, and does it still start?
    [ -e "$V/.piotutor-ready" ] && [ ! -e "$V/.piotutor-unfinished" ] &&
        { read -r was && read -r tried && read -r got && read -r had; } <"$V/.piotutor-ready" &&
        [ "$was" = "$key" ] &&
        { [ "$wanted" = "$got" ] || { [ -z "${STACK:-}" ] && [ "$wanted" = "$tried" ]; }; } &&
        { [ "$had" = test ] || [ "$had" = "$level" ]; } &&
        "$V/bin/python" -c 'import piotutor' 2>/dev/null
}

try_stacks() {
    for got in $stacks; do
        place "$got"
        if "stack_$got"; then
            finish
            return
        fi
        rm -f "$V/.piotutor-unfinished"
        say "the $got stack can't be had here"
    done
    die "nothing could be set up; all that was said is in $LOG"
}

finish() {
    [ "$got" != pip ] || [ "$wanted" = pip ] ||
        say "HDF5 is serial here, all the rest works. Once the cause is gone: STACK=$wanted"
    printf '%s\n' "$key" "$wanted" "$got" "$level" >"$V/.piotutor-ready"
    rm -f "$V/.piotutor-unfinished"
    say "the $got stack is ready in $V after $(($(date +%s) - BEGAN)) s"
}

# --------------------------------------------------------------------------------- commands

do_lab() {
    set_up lab
    exec "$V/bin/piotutor" lab "$@"
}

do_lint() {
    [ -n "${V:-}" ] || set_up test
    failed=0
    "$V/bin/ruff" check . || failed=1
    "$V/bin/ruff" format --check . || failed=1
    "$V/bin/mypy" || failed=1
    return "$failed"
}

do_test() {
    set_up test
    browser || :
    ceph || say "no Ceph here: its tests will be skipped"
    slurm || say "no Slurm here: its tests will be skipped (Debian: slurmctld slurmd slurm-client)"
    worst=0
    do_lint || worst=1
    [ $# != 0 ] || set -- -n 2 # tests/conftest.py says what runs beside what
    "$V/bin/python" -m pytest "$@" || worst=$?
    return "$worst"
}

browser() { # for tests/browser; Ubuntu's package is an empty one
    for name in chromium chromium-browser google-chrome; do
        ! command -v "$name" >/dev/null || return 0
    done
    { grep -qs '^ID=debian' /etc/os-release && apt_install "installing Chromium" chromium; } ||
        say "no Chromium here: the browser tests will be skipped (Debian: package chromium)"
}

ceph() { # the system's; else installed, or unpacked where there is no root
    "$V/bin/python" -c 'from piotutor.storage.ceph import binaries as b; b.find()' 2>/dev/null ||
        apt_install "installing Ceph" ceph-mon ceph-osd ceph-mds ceph-base libcephfs2 librados2 ||
        step "unpacking Ceph" "$V/bin/python" tools/setup/ceph.py "$V/ceph"
}

slurm() { # for tests/mpi/test_slurm.py, which start one of their own
    PATH=$PATH:/usr/sbin:/sbin command -v slurmctld >/dev/null ||
        apt_install "installing Slurm" slurm-client slurmctld slurmd
}

do_ceph() {
    set_up lab
    ceph && say "Ceph is ready: piotutor run --storage ceph ..."
}

do_notebooks() {
    set_up test
    exec "$V/bin/python" tools/make_notebooks.py "$@"
}

do_bundle() {
    [ -z "$OFFLINE" ] || die "a bundle is made where there is a network"
    set_up lab
    exec "$V/bin/python" tools/setup/bundle.py "$got" "$V" "${1:-$ROOT/dist}"
}

do_install() { set_up lab; }

do_stack() {
    find_python
    choose_stacks
    printf '%s: %s\n' "${stacks%% *}" "$why"
}

command=${1:-help}
[ $# = 0 ] || shift
[ -n "$OFFLINE" ] || [ ! -e ../piotutor-bundle.txt ] || OFFLINE=.. # we are in one
[ -z "$OFFLINE" ] || OFFLINE=$(cd "$OFFLINE" 2>/dev/null && pwd -P) || die "OFFLINE: no such directory"
case $command in
lab | test | lint | notebooks | bundle | install | stack | ceph) "do_$command" "$@" ;;
help | -h | --help) sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0" ;;
*) die "unknown command: $command (try: sh setup.sh help)" ;;
esac
