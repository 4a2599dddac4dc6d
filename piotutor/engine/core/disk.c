/* Source: Ruemmler and Wilkes, An introduction to disk drive modeling, IEEE Computer 27(3), 1994:
 * overhead, seek, rotation, transfer, one after the other, in the order of arrival. */
#include "disk.h"

#include <math.h>

static int64_t ns_of(double seconds)
{
    return (int64_t)(seconds * 1e9 + 0.5);
}

int64_t disk_seek(const struct disk *disk, int64_t cylinders)
{
    double d = (double)(cylinders < 0 ? -cylinders : cylinders);
    if (!cylinders)
        return 0;
    return ns_of(d <= disk->near_end ? disk->near + disk->near_root * sqrt(d)
                                     : disk->far + disk->far_each * d);
}

/* How long until a sector comes by; the platter stood at its first sector at time 0. */
static int64_t turn(const struct disk *disk, int64_t now, int64_t sector)
{
    int64_t round = ns_of(disk->rotation);
    int64_t due = (int64_t)((double)sector / (double)disk->sectors * (double)round);
    int64_t wait = (due - now % round) % round;
    return wait < 0 ? wait + round : wait;
}

/* Sectors lie skewed, so that after a switch to the next track the right one just comes by. */
static int64_t pass(const struct disk *disk, int64_t first, int64_t count)
{
    int64_t last = first + count - 1;
    int64_t tracks = last / disk->sectors - first / disk->sectors;
    int64_t per = disk->sectors * disk->tracks;
    int64_t cylinders = last / per - first / per;
    return ns_of((double)count * disk->rotation / (double)disk->sectors
                 + (double)(tracks - cylinders) * disk->track_switch)
           + cylinders * disk_seek(disk, 1);
}

static int is_passing(const struct disk *disk, const struct arm *arm, int64_t offset, int writes)
{
    int64_t track = disk->sectors * disk->sector_bytes, least = writes ? arm->next : arm->first;
    return disk->buffer && arm->first != NOWHERE && offset >= least && offset <= arm->next + track;
}

/* The platter has gone on since the last request, until its buffer was full. */
static int64_t left_to_pass(const struct disk *disk, struct arm *arm, int64_t end, int64_t begun)
{
    int64_t size = disk->sector_bytes, first = arm->next / size;
    int64_t lead = ns_of((double)(disk->buffer / size) * disk->rotation / (double)disk->sectors);
    if (end > arm->next) {
        arm->over += pass(disk, first, (end + size - 1) / size - first);
        arm->next = end;
    }
    if (arm->over < begun - lead)
        arm->over = begun - lead;
    if (arm->first < arm->next - disk->buffer)
        arm->first = arm->next - disk->buffer;
    return arm->over > begun ? arm->over - begun : 0;
}

struct disk_step disk_serve(const struct disk *disk, struct arm *arm, int64_t from,
                            int64_t offset, int64_t bytes, int writes)
{
    int64_t first = offset / disk->sector_bytes;
    int64_t count = (offset + bytes + disk->sector_bytes - 1) / disk->sector_bytes - first;
    int64_t per = disk->sectors * disk->tracks, goal = first / per % disk->cylinders;
    struct disk_step step = {.overhead = ns_of(disk->overhead), .cylinder = goal};
    int64_t begun = from + step.overhead;
    if (is_passing(disk, arm, offset, writes))
        step.transfer = left_to_pass(disk, arm, offset + bytes, begun);
    else {
        step.seek = disk_seek(disk, goal - arm->cylinder);
        step.rotation = turn(disk, begun + step.seek, first % disk->sectors);
        step.transfer = pass(disk, first, count);
        arm->first = offset;
        arm->next = offset + bytes;
        arm->over = begun + step.seek + step.rotation + step.transfer;
    }
    arm->cylinder = (arm->next - 1) / disk->sector_bytes / per % disk->cylinders;
    return step;
}
