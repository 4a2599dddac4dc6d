/* A radix heap (Ahuja, Mehlhorn, Orlin and Tarjan 1990): time never goes back, so events need no
 * more order than in which bit their time first differs from the present. They are sorted further
 * only when their turn comes near, in buckets that keep the order in which they were foreseen. */
#include "events.h"

static inline int bucket_of(const struct world *w, ns time)
{
    uint64_t differs = (uint64_t)(time ^ w->last_time);
    return differs ? 64 - __builtin_clzll(differs) : 0;
}

/* ----------------------------------------------------------------------------------- chunks */

static number new_chunk(struct world *w)
{
    number c = w->free_chunk;
    if (likely(c))
        w->free_chunk = chunk_at(w, c - 1)->next;
    else if (likely(w->chunks < w->chunk_room))
        c = ++w->chunks;
    else {
        w->full = NO_ROOM_LEFT;
        return 0;
    }
    chunk_at(w, c - 1)->next = 0;
    chunk_at(w, c - 1)->count = 0;
    return c;
}

static number forget_chunk(struct world *w, number c)
{
    struct chunk *chunk = chunk_at(w, c - 1);
    number next = chunk->next;
    chunk->next = w->free_chunk;
    w->free_chunk = c;
    return next;
}

/* The last chunk of a bucket, with room for one more event; NULL: there is none. */
static struct chunk *room_in(struct world *w, struct bucket *bucket)
{
    struct chunk *last = bucket->last ? chunk_at(w, bucket->last - 1) : NULL;
    if (likely(last && last->count < CHUNK))
        return last;
    number c = new_chunk(w);
    if (unlikely(!c))
        return NULL;
    if (last)
        last->next = c;
    else
        bucket->first = c;
    bucket->last = c;
    return chunk_at(w, c - 1);
}

static inline void put(struct world *w, struct event event)
{
    int b = bucket_of(w, event.time);
    struct bucket *bucket = w->bucket + b;
    if (!(w->filled >> b & 1) || event.time < bucket->least)
        bucket->least = event.time;
    struct chunk *chunk = room_in(w, bucket);
    if (likely(chunk)) {
        chunk->event[chunk->count++] = event;
        w->filled |= (uint64_t)1 << b;
    }
}

/* ----------------------------------------------------------------------------------- events */

void foresee(struct world *w, ns when, enum kind kind, number which)
{
    if (unlikely(when >= FAR))
        w->full = TOO_FAR;
    put(w, (struct event){when, which, kind});
}

/* What happens soon concerns what was last used long ago: have it in the processor's cache then. */
static void fetch(struct world *w, const struct chunk *chunk)
{
    for (int32_t i = 0; i < chunk->count; i++) {
        const struct event *event = chunk->event + i;
        if (event->kind <= OVER)
            __builtin_prefetch(rpc_at(w, (int64_t)event->which - 1), 1);
        else if (event->kind >= LOCK_ASKED)
            __builtin_prefetch(range_at(w, (int64_t)event->which - 1), 1);
    }
}

/* Spread the nearest events over the buckets below theirs, the very next into the lowest. */
static void come_nearer(struct world *w)
{
    int b = __builtin_ctzll(w->filled);
    struct bucket *bucket = w->bucket + b;
    number c = bucket->first;
    w->last_time = bucket->least;
    bucket->first = bucket->last = 0;
    w->filled &= ~((uint64_t)1 << b);
    while (c) {
        const struct chunk *chunk = chunk_at(w, c - 1);
        for (int32_t i = 0; i < chunk->count; i++)
            put(w, chunk->event[i]);
        if (!chunk->next)
            fetch(w, chunk);
        c = forget_chunk(w, c);
    }
}

ns next_time(struct world *w)
{
    return w->filled ? w->bucket[__builtin_ctzll(w->filled)].least : NEVER;
}

struct event next_event(struct world *w)
{
    struct bucket *bucket = w->bucket;
    if (!(w->filled & 1))
        come_nearer(w);
    struct chunk *chunk = chunk_at(w, bucket->first - 1);
    struct event event = chunk->event[bucket->taken++];
    if (bucket->taken == chunk->count) {
        bucket->taken = 0;
        bucket->first = forget_chunk(w, bucket->first);
        if (!bucket->first) {
            bucket->last = 0;
            w->filled &= ~(uint64_t)1;
        }
    }
    return event;
}
