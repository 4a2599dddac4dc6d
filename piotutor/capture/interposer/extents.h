/* The extents of one call: neighbours are one, and only where there are more than one are they told. */
#ifndef PIOTUTOR_EXTENTS_H
#define PIOTUTOR_EXTENTS_H

#include "interposer.h"

struct extents {
    const struct call *call;
    const struct what *what; /* of the call */
    int64_t moved;           /* bytes that are still to be shared out as results */
    int64_t first;           /* offset of the first extent; -1: none yet */
    int64_t offset, length;  /* of the one that may still grow */
    int64_t told;            /* of which only so many are PART records */
};

struct extents extents_begin(const struct call *call, const struct what *what, int64_t moved);
void extents_add(struct extents *all, int64_t offset, int64_t length);
void extents_end(struct extents *all);

#endif
