/* Virtual time: each rank has all its operations from the start, and time is what happens next. */
#include "engine.h"

#include "events.h"
#include "locks.h"
#include "metadata.h"
#include "memory.h"
#include "requests.h"
#include "work.h"

static void done(struct world *w, number rank)
{
    operation_is_over(w, (int32_t)rank);
}

static void thought(struct world *w, number rank)
{
    rank_append(w, &w->ready, rank);
}

static void metadata(struct world *w, number rank)
{
    metadata_arrives(w, (int32_t)rank);
}

void happen(struct world *w, struct event event)
{
    static void (*const act[KINDS])(struct world *, number) = {
        [ARRIVE] = rpc_arrives, [STORE] = rpc_is_admitted, [LEAVE] = rpc_leaves,
        [BACK] = rpc_is_back, [OVER] = rpc_is_over, [DONE] = done, [THOUGHT] = thought,
        [METADATA] = metadata, [WRITTEN] = device_has_written, [LOCK_ASKED] = request_arrives,
        [LOCK_GRANTED] = lock_is_granted, [CALLBACK] = callback_arrives,
        [RELEASE] = release_arrives};
    w->now = event.time;
    w->happened++;
    act[event.kind](w, event.which);
}

/* Whether a rank that could go on thinks first: each time but when it has just done so. */
static int thinks(struct world *w, number which)
{
    struct rank *rank = rank_at(w, which - 1);
    rank->thinks = w->machine.think_time > 0 && !rank->thinks;
    if (rank->thinks)
        foresee(w, w->now + seconds(w->machine.think_time), THOUGHT, which);
    return rank->thinks;
}

static void go_on(struct world *w, const struct operation *todo, int64_t *next, const int64_t *end)
{
    number ready;
    while ((ready = rank_take(w, &w->ready))) {
        int32_t rank = (int32_t)ready - 1;
        if (next[rank] < end[rank] && !thinks(w, ready)) {
            begin(w, rank, todo[next[rank]++]);
            __builtin_prefetch(&todo[next[rank]]);
        }
    }
}

EXPORT int engine_run(struct world *w, const struct operation *todo, int64_t *next,
                      const int64_t *end)
{
    go_on(w, todo, next, end);
    while (w->filled && likely(!w->full)) {
        happen(w, next_event(w));
        go_on(w, todo, next, end);
    }
    return w->full;
}
