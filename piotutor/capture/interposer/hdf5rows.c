/* A selection of a contiguous dataset as extents of the file. */
#include "hdf5.h"

#include <stdlib.h>
#include <string.h>

#define MAX_LIST 4096  /* blocks or points of an irregular selection: of more, none is told */
#define PLIST 2        /* H5S_PLIST: the selection lies in the transfer properties */

/* A dataset in the file, and one regular block pattern in it. */
struct pattern {
    struct extents *extents;
    int rank, flat; /* `flat`: beyond this dimension all is selected */
    int64_t first;  /* byte */
    uint64_t step[MAX_RANK]; /* bytes from an index to the next, in each dimension */
    uint64_t dims[MAX_RANK], start[MAX_RANK], stride[MAX_RANK], count[MAX_RANK], block[MAX_RANK];
};

static void walk(const struct pattern *p, int d, int64_t at)
{
    for (uint64_t i = 0; i < p->count[d]; i++) {
        uint64_t index = p->start[d] + i * p->stride[d];
        if (d == p->flat)
            extents_add(p->extents, at + (int64_t)(index * p->step[d]), (int64_t)(p->block[d] * p->step[d]));
        else
            for (uint64_t j = 0; j < p->block[d]; j++)
                walk(p, d + 1, at + (int64_t)((index + j) * p->step[d]));
    }
}

static void walk_all(struct pattern *p)
{
    for (int d = 0; d < p->rank; d++)
        if (p->stride[d] == p->block[d] || p->count[d] == 1) { /* blocks without gaps are one */
            p->block[d] *= p->count[d];
            p->count[d] = 1;
        }
    p->flat = p->rank - 1;
    while (p->flat > 0 && p->block[p->flat] == p->dims[p->flat])
        p->flat--;
    walk(p, 0, p->first);
}

/* Blocks as pairs of corners, or points (which are both corners of theirs), one after the other. */
static void walk_list(struct pattern *p, const uint64_t *corners, uint64_t n, int every)
{
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t *low = corners + i * (uint64_t)every, *high = low + every - p->rank;
        for (int d = 0; d < p->rank; d++) {
            p->start[d] = low[d];
            p->stride[d] = p->count[d] = 1;
            p->block[d] = high[d] - low[d] + 1;
        }
        walk_all(p);
    }
}

/* H5Soffset_simple moves a selection, and only its bounds tell by how much (h5py does so). */
static void shift(const struct hdf5 *library, hid space, const uint64_t *lowest, struct pattern *p)
{
    uint64_t low[MAX_RANK], high[MAX_RANK];
    if (library->bounds(space, low, high) >= 0)
        for (int d = 0; d < p->rank; d++)
            p->first += (int64_t)((low[d] - lowest[d]) * p->step[d]);
}

/* The least index of corners in each dimension, `every` words apart. */
static void least(const uint64_t *corners, uint64_t n, int every, int rank, uint64_t *lowest)
{
    memcpy(lowest, corners, (size_t)rank * sizeof *lowest);
    for (uint64_t i = 1; i < n; i++)
        for (int d = 0; d < rank; d++)
            if (corners[i * (uint64_t)every + (uint64_t)d] < lowest[d])
                lowest[d] = corners[i * (uint64_t)every + (uint64_t)d];
}

static void walk_irregular(const struct hdf5 *library, hid space, int of_points, struct pattern *p)
{
    int64_t n = of_points ? library->points(space) : library->blocks(space);
    if (n > MAX_LIST) {
        call_drop(n);
        return;
    }
    int every = of_points ? p->rank : 2 * p->rank; /* words of one */
    uint64_t lowest[MAX_RANK], *corners = malloc((size_t)(n * every) * sizeof *corners);
    int (*list)(hid, uint64_t, uint64_t, uint64_t *)
        = of_points ? library->point_list : library->block_list;
    if (corners && list(space, 0, (uint64_t)n, corners) >= 0) {
        least(corners, (uint64_t)n, every, p->rank, lowest);
        shift(library, space, lowest, p);
        walk_list(p, corners, (uint64_t)n, every);
    }
    free(corners);
}

enum selection { NONE, POINTS, HYPERSLABS, EVERYTHING };

static void walk_selection(const struct hdf5 *library, hid space, struct pattern *p)
{
    int kind = library->selection(space);
    int regular = kind == HYPERSLABS && library->is_regular(space) > 0;
    if (kind == EVERYTHING)
        extents_add(p->extents, p->first, (int64_t)(p->dims[0] * p->step[0]));
    else if (regular && library->regular(space, p->start, p->stride, p->count, p->block) >= 0) {
        shift(library, space, p->start, p);
        walk_all(p);
    } else if (kind == POINTS || kind == HYPERSLABS)
        walk_irregular(library, space, kind == POINTS, p);
}

/* A scalar is a dataset of one dimension of one element. */
static int describe(const struct hdf5 *library, hid dataset, hid whole, struct pattern *p)
{
    hid type = library->dataset_type(dataset);
    uint64_t bytes = library->type_size(type);
    library->type_close(type);
    p->first = (int64_t)library->dataset_offset(dataset);
    p->rank = library->rank(whole);
    if (p->first < 0 || p->rank < 0 || p->rank > MAX_RANK)
        return 0;
    p->dims[0] = 1;
    if (p->rank)
        library->dimensions(whole, p->dims, NULL);
    else
        p->rank = 1;
    for (int d = p->rank - 1; d >= 0; d--) {
        p->step[d] = bytes;
        bytes *= p->dims[d];
    }
    return bytes > 0;
}

int64_t hdf5_select(const struct hdf5 *library, hid dataset, hid space, struct extents *extents)
{
    struct pattern p = {.extents = extents};
    if (space == PLIST)
        return 0;
    hid whole = library->dataset_space(dataset);
    hid picked = space ? space : whole;
    int64_t n = library->selected(picked);
    if (n > 0 && describe(library, dataset, whole, &p))
        walk_selection(library, picked, &p);
    library->space_close(whole);
    return n;
}
