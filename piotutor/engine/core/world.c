#include "engine.h"

#include "device.h"
#include "fence.h"
#include "memory.h"

#include <string.h>

#define MOST_BYTES ((int64_t)1 << 60)

/* Each bucket may have one that isn't full, and as many may be on the way to others. */
static int64_t chunks_for(int64_t events)
{
    return events / CHUNK + 2 * 64;
}

/* More bytes than any machine has are as good as MOST_BYTES. */
static int64_t times(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) || product > MOST_BYTES ? MOST_BYTES : product;
}

static int64_t and_more(int64_t used, int64_t bytes)
{
    return used + bytes < MOST_BYTES ? (used + bytes + 63) / 64 * 64 : MOST_BYTES;
}

static int64_t lay_out(struct world *w, const struct size *size)
{
    const struct machine *m = &w->machine;
    w->device = shape_of_device(m);
    const int64_t count[] = {size->files, size->files, m->metadata_threads, size->objects,
                             size->ranks, m->clients, m->targets,
                             times(m->targets, w->device.parts),
                             times(m->targets, w->device.bytes), w->device.common,
                             m->device_memory ? times(m->targets, MOST_EXTENTS) : 0,
                             times(m->clients, size->objects), times(m->clients, m->targets),
                             size->rpcs, size->rpcs, size->ranges, chunks_for(size->events),
                             size->records};
    int64_t used = and_more(0, sizeof *w), i = 0;
#define TABLE(type, name) \
    w->at.name = used += FENCE; \
    used = and_more(used, times(count[i++], sizeof(type)));
    TABLES
#undef TABLE
    return used;
}

EXPORT int64_t engine_bytes(const struct machine *machine, const struct size *size)
{
    struct world w = {.machine = *machine};
    return lay_out(&w, size);
}

EXPORT void engine_states(const struct machine *machine, const struct size *size,
                          struct states *states)
{
    struct world w = {.machine = *machine};
    lay_out(&w, size);
    *states = (struct states){w.at.state, w.at.common, w.at.common + w.device.common};
}

EXPORT struct world *engine_make(void *memory, const struct machine *machine,
                                 const struct size *size, int32_t layers, const void *common)
{
    struct world *w = memory;
    NO_FENCES(memory, engine_bytes(machine, size));
    w->machine = *machine;
    w->bytes = lay_out(w, size);
    w->files = size->files;
    w->objects = size->objects;
    w->ranks = w->missing = size->ranks;
    w->rpc_room = (number)size->rpcs;
    w->range_room = (number)size->ranges;
    w->chunk_room = (number)chunks_for(size->events);
    w->record_room = size->records;
    w->layers = layers;
#define TABLE(type, name) PUT_FENCE((char *)w + w->at.name - FENCE);
    TABLES
#undef TABLE
    if (common)
        memcpy(common_at(w, 0), common, (size_t)w->device.common);
    else
        make_common(w);
    make_devices(w);
    return w;
}

EXPORT void engine_add_file(struct world *w, int64_t which, int64_t first, int64_t stripe_size,
                            int64_t stripe_count, const int32_t *targets)
{
    *file_at(w, which) = (struct file){
        .stripe_size = stripe_size, .stripe_count = stripe_count, .first = first};
    for (int64_t i = 0; i < stripe_count; i++)
        *object_at(w, first + i) = (struct object){
            .start = place_object(w, targets[i]), .target = targets[i], .first = (int32_t)first,
            .count = (int32_t)stripe_count};
}

EXPORT void engine_put_file(struct world *w, int64_t which, int32_t directory)
{
    file_at(w, which)->directory = directory;
}

EXPORT void engine_extend_file(struct world *w, int64_t which, int64_t end)
{
    if (file_at(w, which)->end < end)
        file_at(w, which)->end = end;
}

EXPORT void engine_add_rank(struct world *w, int64_t which, int32_t client)
{
    rank_at(w, which)->client = client;
    rank_at(w, which)->name = (int32_t)which;
    rank_append(w, &w->ready, (number)which + 1);
}

EXPORT void engine_stop(struct world *w)
{
    w->full = STOPPED;
}

EXPORT void engine_counts(const struct world *w, struct counts *counts)
{
    *counts = (struct counts){w->now, w->records, w->dropped, w->happened,
                              w->grants, w->callbacks};
}

EXPORT int64_t engine_records(const struct world *w)
{
    return w->at.record;
}

EXPORT const char *engine_parameters(void)
{
#define INTEGER(name) #name " "
#define NUMBER(name) #name " "
    return
#include "machine.def"
        "";
#undef INTEGER
#undef NUMBER
}
