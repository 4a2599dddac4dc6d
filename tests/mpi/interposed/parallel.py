"""A program under test: say whether HDF5 is parallel."""

import h5py

print(h5py.get_config().mpi)
