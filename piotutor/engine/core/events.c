/* A radix heap (Ahuja, Mehlhorn, Orlin and Tarjan 1990): time never goes back, so events need no
 * more order than in which bit their time first differs from the present. They are sorted further
 * only when their turn comes near, in lists that keep the order in which they were foreseen. */
#include "events.h"

static inline int bucket_of(const struct world *w, ns time)
{
    uint64_t differs = (uint64_t)(time ^ w->last_time);
    return differs ? 64 - __builtin_clzll(differs) : 0;
}

static inline void put(struct world *w, number e)
{
    int b = bucket_of(w, event_at(w, e - 1)->time);
    w->filled |= (uint64_t)1 << b;
    APPEND(event, w, w->bucket[b].first, w->bucket[b].last, e);
}

void foresee(struct world *w, ns when, enum kind kind, number which)
{
    number e = w->free_event;
    if (likely(e))
        w->free_event = event_at(w, e - 1)->next;
    else if (likely(w->events < w->event_room))
        e = ++w->events;
    else {
        w->full = 1;
        return;
    }
    *event_at(w, e - 1) = (struct event){.time = when, .kind = kind, .which = which};
    put(w, e);
}

static ns earliest(struct world *w, number e)
{
    ns least = INT64_MAX;
    for (; e; e = event_at(w, e - 1)->next)
        if (event_at(w, e - 1)->time < least)
            least = event_at(w, e - 1)->time;
    return least;
}

/* Spread the nearest events over the buckets below theirs, the very next into the lowest. */
static void come_nearer(struct world *w)
{
    int b = __builtin_ctzll(w->filled);
    number e = w->bucket[b].first;
    w->last_time = earliest(w, e);
    w->bucket[b].first = w->bucket[b].last = 0;
    w->filled &= ~((uint64_t)1 << b);
    while (e) {
        number next = event_at(w, e - 1)->next;
        put(w, e);
        e = next;
    }
}

ns next_time(struct world *w)
{
    if (!w->filled)
        return NEVER;
    return w->bucket[0].first ? w->last_time : earliest(w, w->bucket[__builtin_ctzll(w->filled)].first);
}

struct event next_event(struct world *w)
{
    if (!w->bucket[0].first)
        come_nearer(w);
    number e = TAKE(event, w, w->bucket[0].first, w->bucket[0].last);
    if (!w->bucket[0].first)
        w->filled &= ~(uint64_t)1;
    struct event event = *event_at(w, e - 1);
    event_at(w, e - 1)->next = w->free_event;
    w->free_event = e;
    return event;
}
