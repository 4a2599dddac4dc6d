/* A disk with an arm and a platter. */
#ifndef PIOTUTOR_ENGINE_DISK_H
#define PIOTUTOR_ENGINE_DISK_H

#include <stdint.h>

/* A seek over d cylinders takes near + near_root sqrt(d) up to `near_end`, and far + far_each d
 * beyond it; all times in seconds. With a buffer, the platter goes on where a request ended, and
 * what has passed by lately can be read from memory: a read that begins there, and any request at
 * the head or within a track before it, waits for neither the arm nor a turn. */
struct disk {
    int64_t cylinders, tracks, sectors, sector_bytes; /* tracks a cylinder, sectors a track */
    double rotation, overhead, track_switch;
    double near, near_root, near_end, far, far_each;
    int64_t buffer; /* bytes; 0: none */
};

struct disk_step { /* what one request was made of, in ns */
    int64_t overhead, seek, rotation, transfer, cylinder;
};

/* Where the arm is, the addresses that passed by in a row, and when the last of them did. */
struct arm {
    int64_t cylinder, first, next, over;
};

#define NOWHERE INT64_MAX /* `first` before there was a request */

int64_t disk_seek(const struct disk *disk, int64_t cylinders); /* ns */

/* Serve a request that begins at a moment; returns what took how long. */
struct disk_step disk_serve(const struct disk *disk, struct arm *arm, int64_t from,
                            int64_t offset, int64_t bytes, int writes);

#endif
