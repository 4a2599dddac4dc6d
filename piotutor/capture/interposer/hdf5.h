/* HDF5 without hdf5.h: 1.10 and newer, whose ids have 64 bits; several in one process, too. */
#ifndef PIOTUTOR_HDF5_H
#define PIOTUTOR_HDF5_H

#include "extents.h"

typedef int64_t hid;
typedef uint64_t word;
typedef word h5_call(word, word, word, word, word, word, word, word);

#define LIBRARIES 8 /* HDF5s that one process may have loaded: h5py's, netCDF4's, ... */
#define MAX_RANK 32 /* H5S_MAX_RANK */

/* One HDF5. Its functions are asked only what is valid, and never after a call that failed: the
 * error stack that the program may look at stays as it is. None of it is recorded. */
struct hdf5 {
    const void *base; /* where it is loaded */
    int number;
    int (*type)(hid id);
    ssize_t (*file_name)(hid id, char *name, size_t size);
    size_t (*type_size)(hid type);
    int (*type_close)(hid type);
    hid (*dataset_type)(hid dataset);
    hid (*dataset_space)(hid dataset);
    uint64_t (*dataset_offset)(hid dataset);
    int (*space_close)(hid space);
    int64_t (*selected)(hid space);
    int (*rank)(hid space);
    int (*dimensions)(hid space, uint64_t *dims, uint64_t *most);
    int (*selection)(hid space);
    int (*bounds)(hid space, uint64_t *low, uint64_t *high);
    int (*is_regular)(hid space);
    int (*regular)(hid space, uint64_t *start, uint64_t *stride, uint64_t *count, uint64_t *block);
    int64_t (*blocks)(hid space);
    int (*block_list)(hid space, uint64_t first, uint64_t n, uint64_t *corners);
    int64_t (*points)(hid space);
    int (*point_list)(hid space, uint64_t first, uint64_t n, uint64_t *points);
    uint64_t (*attribute_bytes)(hid attribute);
    /* From here on, what not every HDF5 has. */
    int (*chunk)(hid dataset, const uint64_t *at, unsigned *filters, uint64_t *offset, uint64_t *size);
    int (*transfer_mode)(hid plist, int *mode);
    int (*actual_mode)(hid plist, int *mode);
    int (*no_collective_cause)(hid plist, uint32_t *local, uint32_t *global);
};

struct hdf5 *hdf5_of(const void *caller); /* the HDF5 that it uses; NULL: it can't be told */
int32_t hdf5_file(const struct hdf5 *library, hid id); /* its file's name; -1: not of interest */
int hdf5_holds_data(const struct hdf5 *library, hid id); /* a file or a dataset */
void hdf5_forget(void); /* ids may get another meaning */

/* Where a selection of a contiguous dataset lies; how many elements it has. A space of 0 is all. */
int64_t hdf5_select(const struct hdf5 *library, hid dataset, hid space, struct extents *extents);

#endif
