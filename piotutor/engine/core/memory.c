/* What lies side by side in memory becomes one. All that is there goes to the device together, in
 * the order of its addresses, reads for parity first; when that is done, what has come since. */
#include "memory.h"

#include "device.h"
#include "events.h"
#include "requests.h"

#include <string.h>

static struct extent *held_by(struct world *w, int32_t target)
{
    return extent_at(w, (int64_t)target * MOST_EXTENTS);
}

/* Add bytes to those in memory, which lie in order and nowhere touch. */
static void hold(struct world *w, int32_t which, int64_t begin, int64_t end)
{
    struct target *target = target_at(w, which);
    struct extent *all = held_by(w, which);
    int64_t n = target->extents, first = n, last;
    while (first && all[first - 1].end >= begin)
        first--;
    for (last = first; last < n && all[last].begin <= end; last++) {
        begin = all[last].begin < begin ? all[last].begin : begin;
        end = all[last].end > end ? all[last].end : end;
        target->held -= all[last].end - all[last].begin;
    }
    memmove(all + first + 1, all + last, (size_t)(n - last) * sizeof *all);
    all[first] = (struct extent){begin, end};
    target->extents += 1 - (last - first);
    target->held += end - begin;
}

/* Whether there is room; more than there is memory is let in alone. */
static int fits(const struct world *w, const struct target *target, const struct rpc *rpc)
{
    int64_t held = target->held + target->going;
    return (!held || held + rpc->length <= w->machine.device_memory)
           && target->extents + 2 <= MOST_EXTENTS;
}

static void take_in(struct world *w, number r)
{
    const struct rpc *rpc = rpc_at(w, r - 1);
    const struct object *object = object_at(w, rpc->object);
    int64_t begin = (object->start + rpc->offset) % w->device.capacity, end = begin + rpc->length;
    int64_t over = end > w->device.capacity ? end - w->device.capacity : 0;
    hold(w, object->target, begin, end - over);
    if (over)
        hold(w, object->target, 0, over);
    rpc_is_stored(w, r, w->now);
}

/* Let the device do something with all that is in memory; returns when it is done. */
static ns for_all(struct world *w, int32_t which, ns from,
                  ns (*act)(struct world *, const struct request *, ns))
{
    const struct extent *all = held_by(w, which);
    ns done = from;
    for (int64_t i = 0; i < target_at(w, which)->extents; i++) {
        const struct rpc nobody = {.offset = all[i].begin, .client = NOBODY, .rank = NOBODY};
        struct request request = {.rpc = &nobody, .address = all[i].begin, .op = WRITE,
                                  .length = all[i].end - all[i].begin, .target = which};
        ns end = act(w, &request, from);
        done = end > done ? end : done;
    }
    return done;
}

static void write_all(struct world *w, int32_t which)
{
    struct target *target = target_at(w, which);
    ns ready = for_all(w, which, w->now, prepare);
    ns done = for_all(w, which, ready, perform);
    target->going = target->held;
    target->held = target->extents = 0;
    foresee(w, done, WRITTEN, (number)which);
}

static void go_on(struct world *w, int32_t which)
{
    struct target *target = target_at(w, which);
    if (!target->going && target->held)
        write_all(w, which);
}

void remember(struct world *w, number r)
{
    const struct rpc *rpc = rpc_at(w, r - 1);
    int32_t which = object_at(w, rpc->object)->target;
    struct target *target = target_at(w, which);
    if (!target->waiting && fits(w, target, rpc))
        take_in(w, r);
    else
        rpc_append(w, &target->waiting, r);
    go_on(w, which);
}

void device_has_written(struct world *w, number which)
{
    struct target *target = target_at(w, which);
    target->going = 0;
    while (target->waiting
           && fits(w, target, rpc_at(w, rpc_first(w, target->waiting) - 1)))
        take_in(w, rpc_take(w, &target->waiting));
    go_on(w, (int32_t)which);
}
