/* What an array of disks does for one request: reads first, where parity needs them, then writes. */
#ifndef PIOTUTOR_ENGINE_RAID_H
#define PIOTUTOR_ENGINE_RAID_H

#include <stdint.h>

#define MOST_DISKS 256
#define MOST_MEMBERS (6 * MOST_DISKS) /* requests for what lies in one stripe */

enum policy { CHEAPER, READ_MODIFY, RECONSTRUCT };

struct array {
    int64_t level;  /* 0, 1, 5 or 6 */
    int64_t width;  /* disks that a stripe lies on */
    int64_t disks;  /* of the array: more than `width` where it is declustered */
    int64_t chunk;  /* bytes of a stripe on one disk */
    int64_t policy; /* of small writes */
    int64_t failed; /* a disk that is gone, or -1 */
};

struct member { /* one request to one disk */
    int64_t offset, length;
    int32_t disk;
    int16_t op; /* 2 read, 3 write */
    int16_t parity;
};

int64_t raid_stripe(const struct array *a); /* bytes of data in a stripe */

/* Fill `out`, all reads before all writes of a stripe; returns how many there are, also of those
 * that don't fit into `room`; -1: what is asked for is lost. */
int64_t raid_requests(const struct array *a, int32_t op, int64_t offset, int64_t length,
                      struct member *out, int64_t room);

#endif
