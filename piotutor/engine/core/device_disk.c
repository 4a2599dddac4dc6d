/* A target that is one disk, and the disks that arrays are made of. */
#include "device.h"

#include "disk.h"

static struct disk drawn_up(const struct machine *m)
{
    return (struct disk){
        .cylinders = m->disk_cylinders, .tracks = m->disk_tracks, .sectors = m->disk_sectors,
        .sector_bytes = m->disk_sector_bytes, .rotation = m->disk_rotation,
        .overhead = m->disk_overhead, .track_switch = m->disk_track_switch, .near = m->disk_near,
        .near_root = m->disk_near_root, .near_end = m->disk_near_end, .far = m->disk_far,
        .far_each = m->disk_far_each, .buffer = m->disk_buffer};
}

ns spin(struct world *w, const struct request *request, int32_t which, ns from)
{
    const struct disk disk = drawn_up(&w->machine);
    struct arm *arm = (struct arm *)state_of(w, request->target) + which;
    ns start = begins(w, request->target, which, from);
    struct disk_step step = disk_serve(&disk, arm, start, request->address, request->length,
                                       request->op == WRITE);
    ns time = step.overhead + step.seek + step.rotation + step.transfer;
    ns done = works(w, request->target, which, from, time);
    arm->over += done - start - time; /* of the slow target */
    tell_device(w, request, which, start, done);
    return done;
}

/* Objects begin with a track. */
struct shape shape_of_disk(const struct machine *m)
{
    int64_t track = m->disk_sectors * m->disk_sector_bytes;
    return (struct shape){.parts = 1, .bytes = sizeof(struct arm), .grain = track,
                          .capacity = track * m->disk_tracks * m->disk_cylinders};
}

void make_arms(struct world *w, int32_t target)
{
    for (int64_t i = 0; i < w->device.parts; i++)
        ((struct arm *)state_of(w, target))[i].first = NOWHERE;
}

static ns disk_alone(struct world *w, const struct request *request, ns from)
{
    return spin(w, request, 0, from);
}

const struct device_kind disk_kind = {
    .shape = shape_of_disk, .make = make_arms, .serve = disk_alone};
