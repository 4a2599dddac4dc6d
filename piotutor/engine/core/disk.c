/* Source: Ruemmler and Wilkes, An introduction to disk drive modeling, IEEE Computer 27(3), 1994:
 * overhead, seek, rotation, transfer, one after the other; neither cache nor queue. */
#include "disk.h"

#include <math.h>

static int64_t ns_of(double seconds)
{
    return (int64_t)(seconds * 1e9 + 0.5);
}

int64_t disk_seek(const struct disk_kind *kind, int64_t cylinders)
{
    double d = (double)(cylinders < 0 ? -cylinders : cylinders);
    if (!cylinders)
        return 0;
    return ns_of(d <= kind->near_end ? kind->near + kind->near_root * sqrt(d)
                                     : kind->far + kind->far_each * d);
}

/* How long until a sector comes by; the platter stood at its first sector at time 0. */
static int64_t turn(const struct disk_kind *kind, int64_t now, int64_t sector)
{
    int64_t round = ns_of(kind->rotation);
    int64_t due = (int64_t)((double)sector / (double)kind->sectors * (double)round);
    int64_t wait = (due - now % round) % round;
    return wait < 0 ? wait + round : wait;
}

/* Sectors lie skewed, so that after a switch to the next track the right one just comes by. */
static int64_t pass(const struct disk_kind *kind, int64_t first, int64_t count)
{
    int64_t last = first + count - 1;
    int64_t tracks = last / kind->sectors - first / kind->sectors;
    int64_t per = kind->sectors * kind->tracks;
    int64_t cylinders = last / per - first / per;
    return ns_of((double)count * kind->rotation / (double)kind->sectors
                 + (double)(tracks - cylinders) * kind->track_switch)
           + cylinders * disk_seek(kind, 1);
}

struct disk_step disk_serve(const struct disk_kind *kind, int64_t *cylinder, int64_t from,
                            int64_t offset, int64_t bytes)
{
    int64_t first = offset / kind->sector_bytes;
    int64_t count = (offset + bytes + kind->sector_bytes - 1) / kind->sector_bytes - first;
    int64_t per = kind->sectors * kind->tracks, goal = first / per % kind->cylinders;
    struct disk_step step = {.overhead = ns_of(kind->overhead),
                             .seek = disk_seek(kind, goal - *cylinder), .cylinder = goal};
    step.rotation = turn(kind, from + step.overhead + step.seek, first % kind->sectors);
    step.transfer = pass(kind, first, count);
    *cylinder = (first + count - 1) / per % kind->cylinders;
    return step;
}
