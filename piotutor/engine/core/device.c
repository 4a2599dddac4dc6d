/* The bytes of an object lie in a row on its target's device; where they reach its end, they go on
 * at its beginning. The first object begins at 0, each other one the golden section of the device
 * further on, so that they are spread evenly, however many there will be. */
#include "device.h"

#include "memory.h"
#include "random.h"
#include "work.h"

#include <math.h>

enum { CHANNELS, UNLIMITED, DISK, SSD, ARRAY }; /* as DEVICES in piotutor/engine/machine.py */

static const struct device_kind *kind_of(const struct machine *m)
{
    static const struct device_kind *const kinds[] = {
        [CHANNELS] = &channels_kind, [UNLIMITED] = &unlimited_kind, [DISK] = &disk_kind,
        [SSD] = &ssd_kind, [ARRAY] = &array_kind};
    return kinds[m->device];
}

struct shape shape_of_device(const struct machine *m)
{
    struct shape shape = kind_of(m)->shape(m);
    shape.bytes = (shape.bytes + 63) / 64 * 64;
    return shape;
}

void make_common(struct world *w)
{
    if (kind_of(&w->machine)->make_common)
        kind_of(&w->machine)->make_common(w);
}

static void for_each_target(struct world *w, void (*act)(struct world *, int32_t))
{
    for (int32_t target = 0; act && target < w->machine.targets; target++)
        act(w, target);
}

void make_devices(struct world *w)
{
    for_each_target(w, kind_of(&w->machine)->make);
}

void complete_devices(struct world *w)
{
    for_each_target(w, kind_of(&w->machine)->complete);
}

int64_t place_object(struct world *w, int32_t target)
{
    if (!w->device.capacity)
        return 0;
    uint64_t share = (uint64_t)target_at(w, target)->objects++ * 0x9e3779b97f4a7c15ull;
    uint64_t grains = (uint64_t)(w->device.capacity / w->device.grain);
    return (int64_t)((unsigned __int128)share * grains >> 64) * w->device.grain;
}

/* ------------------------------------------------------------------------- parts of a device */

/* How long it is from a moment to when others come next: drawn, so that they come by chance. */
static ns pause_after(struct world *w, const struct part *part, ns moment)
{
    const struct machine *m = &w->machine;
    uint64_t seed = mixed((uint64_t)m->seed * 0x100000001b3ull + (uint64_t)(part - part_at(w, 0)));
    double drawn = (double)(mixed(seed ^ (uint64_t)moment) >> 11) * 0x1p-53;
    return 1 + seconds(-log(1 - drawn) * m->background_time / m->background_load);
}

/* For how long it matters what others did: a queue forgets in some 1 / (1 - load)^2 requests. */
static ns memory_of_others(const struct machine *m)
{
    double idle = 1 - m->background_load;
    return seconds(30 * m->background_time / (idle * idle));
}

/* Requests of others than our clients: each keeps a part busy for as long. */
static void disturb(struct world *w, struct part *part, ns until)
{
    ns lately = until - memory_of_others(&w->machine);
    if (part->disturbed && part->disturbed < lately)
        part->disturbed = lately;
    if (!part->disturbed)
        part->disturbed = until + pause_after(w, part, until);
    while (part->disturbed <= until && !w->full) {
        occupy(&part->free, part->disturbed, seconds(w->machine.background_time));
        part->disturbed += pause_after(w, part, part->disturbed);
    }
}

ns begins(struct world *w, int32_t target, int64_t part, ns from)
{
    struct part *one = part_of(w, target, part);
    if (unlikely(w->machine.background_load > 0))
        disturb(w, one, from);
    return from > one->free ? from : one->free;
}

static ns slowed(const struct world *w, int32_t target, ns time)
{
    if (likely(target != w->machine.slow_target))
        return time;
    return at_most_far((double)time * w->machine.slow_factor + 0.5);
}

ns works(struct world *w, int32_t target, int64_t part, ns from, ns time)
{
    ns *free = &part_of(w, target, part)->free;
    return occupy(free, begins(w, target, part, from), slowed(w, target, time));
}

/* --------------------------------------------------------------------------------- requests */

/* What reaches the end of a device goes on at its beginning. */
static ns at_its_place(struct world *w, const struct rpc *rpc, ns from,
                       ns (*act)(struct world *, const struct request *, ns))
{
    const struct object *object = object_at(w, rpc->object);
    struct request request = {.rpc = rpc, .length = rpc->length, .target = object->target,
                              .op = rpc->op};
    int64_t capacity = w->device.capacity, rest = rpc->length;
    if (likely(!capacity))
        return act(w, &request, from);
    ns done = from;
    request.address = (object->start + rpc->offset) % capacity;
    for (; rest > 0; rest -= request.length, request.address = 0) {
        int64_t room = capacity - request.address;
        request.length = rest < room ? rest : room;
        ns end = act(w, &request, from);
        done = end > done ? end : done;
    }
    return done;
}

ns prepare(struct world *w, const struct request *request, ns from)
{
    const struct device_kind *kind = kind_of(&w->machine);
    return kind->prepare ? kind->prepare(w, request, from) : from;
}

ns perform(struct world *w, const struct request *request, ns from)
{
    return kind_of(&w->machine)->serve(w, request, from);
}

/* What passes on to a device with addresses takes its time before it: as in channels, but one
 * after the other. */
ns admit(struct world *w, const struct rpc *rpc, ns from)
{
    const struct machine *m = &w->machine;
    if (likely(!w->device.capacity))
        return from;
    int32_t target = object_at(w, rpc->object)->target;
    double speed = rpc->op == READ ? m->target_read_bandwidth : m->target_write_bandwidth;
    ns time = seconds(m->target_overhead) + duration(rpc->length, speed);
    from = occupy(&target_at(w, target)->entry, from, slowed(w, target, time));
    return rpc->op == READ || is_remembered(w, rpc) ? from : at_its_place(w, rpc, from, prepare);
}

ns serve(struct world *w, const struct rpc *rpc, ns from)
{
    return at_its_place(w, rpc, from, perform);
}

void tell_device(struct world *w, const struct request *request, int32_t member, ns start, ns end)
{
    struct record *record = new_record(w, DEVICE);
    const struct rpc *rpc = request->rpc;
    if (record)
        *record = (struct record){
            .start = start, .end = end, .offset = rpc->offset, .length = request->length,
            .result = request->length, .client = rpc->client, .file = -1, .thread = member,
            .rank = rpc->rank == NOBODY ? NOBODY : rank_at(w, rpc->rank)->name,
            .target = request->target, .parent = -1, .layer = DEVICE,
            .op = (uint8_t)request->op, .aux = (uint64_t)request->address};
}
