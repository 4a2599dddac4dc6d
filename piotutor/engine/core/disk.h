/* A disk with an arm and a platter. */
#ifndef PIOTUTOR_ENGINE_DISK_H
#define PIOTUTOR_ENGINE_DISK_H

#include <stdint.h>

/* A seek over d cylinders takes near + near_root sqrt(d) up to `near_end`, and far + far_each d
 * beyond it; all times in seconds. */
struct disk_kind {
    int64_t cylinders, tracks, sectors, sector_bytes; /* tracks a cylinder, sectors a track */
    double rotation, overhead, track_switch;
    double near, near_root, near_end, far, far_each;
};

struct disk_step { /* what one request was made of, in ns */
    int64_t overhead, seek, rotation, transfer, cylinder;
};

int64_t disk_seek(const struct disk_kind *kind, int64_t cylinders); /* ns */

/* Serve a request that begins at a moment, the arm over `*cylinder`; returns what took how long. */
struct disk_step disk_serve(const struct disk_kind *kind, int64_t *cylinder, int64_t from,
                            int64_t offset, int64_t bytes);

#endif
