/* A client that has no lock for what it wants asks the object's server, which serves one request
 * after the other: it calls back what is in the way, and waits; then it grants as much as is free.
 *
 * Sources: Lustre, ldlm_extent.c (what is granted, and when growth is held back); CephFS,
 * "Capabilities in CephFS" (one writer may cache a file, several may not); GPFS, Schmuck and
 * Haskin, FAST 2002, section 3.2 (a holder gives away only what the other one needs from there on).
 */
#include "locks.h"

#include "cache.h"
#include "events.h"
#include "kept.h"
#include "requests.h"
#include "tree.h"
#include "work.h"

#define FEW 4 /* conflicts from which on a lock grows upwards only: ldlm_extent.c */

/* ---------------------------------------------------------------------------- what is held */

static inline int clash(const struct range *a, const struct range *b)
{
    return a->client != b->client && (a->alone || b->alone);
}

static int serves(const struct range *range, const struct rpc *wish)
{
    return (range->state == GRANTED || range->state == CALLED)
           && range->client == (uint32_t)wish->client && range->object == wish->object
           && range->start <= wish->offset
           && range->end >= wish->offset + wish->length
           && (range->alone || wish->op == READ);
}

static number that_serves(struct world *w, number range, const void *wish)
{
    return serves(range_at(w, range - 1), wish) ? range : 0;
}

/* The object whose locks stand for another's: the file's first, where files are locked. */
static int32_t locked_object(struct world *w, int32_t object)
{
    return w->machine.lock_protocol == WHOLE_FILE ? object_at(w, object)->first : object;
}

int is_shared(struct world *w, const struct rpc *wish)
{
    return object_at(w, locked_object(w, wish->object))->shared;
}

/* The client's lock that lets it do what it wishes; 0: it has none. */
static number lock_for(struct world *w, struct rpc wish)
{
    wish.object = locked_object(w, wish.object);
    struct view *view = view_of(w, wish.client, wish.object);
    if (!view->lock)
        return 0;
    if (likely(serves(range_at(w, view->lock - 1), &wish)))
        return view->lock;
    number found = tree_overlapping(w, object_at(w, wish.object)->locks, wish.offset,
                                    wish.offset + 1, that_serves, &wish);
    if (found)
        view->lock = found;
    return found;
}

static int needs_lock(struct world *w, const struct rpc *wish)
{
    return w->machine.lock_protocol != NO_LOCKS && !is_shared(w, wish);
}

int is_locked(struct world *w, const struct rpc *wish)
{
    return !needs_lock(w, wish) || lock_for(w, *wish);
}

int64_t locked_until(struct world *w, const struct rpc *wish)
{
    struct rpc beginning = *wish;
    beginning.length = 1;
    number lock = needs_lock(w, wish) ? lock_for(w, beginning) : 0;
    if (lock)
        return range_at(w, lock - 1)->end;
    return needs_lock(w, wish) ? 0 : ALL;
}

/* -------------------------------------------------------------------------------- asking */

number new_range(struct world *w, struct range what)
{
    number r = w->free_range;
    if (r)
        w->free_range = range_at(w, r - 1)->next;
    else if (w->ranges < w->range_room)
        r = ++w->ranges;
    else
        w->full = NO_ROOM_LEFT;
    if (r)
        *range_at(w, r - 1) = what;
    return r;
}

void forget_range(struct world *w, number r)
{
    range_at(w, r - 1)->state = GONE;
    range_at(w, r - 1)->next = w->free_range;
    w->free_range = r;
}

void ask_lock(struct world *w, number which)
{
    const struct rpc *wish = rpc_at(w, which - 1);
    int64_t page = w->machine.lock_page, end = wish->offset + wish->length;
    struct range range = {.start = wish->offset / page * page, .since = w->now, .wish = which,
                          .end = (end + page - 1) / page * page, .alone = wish->op == WRITE,
                          .client = (uint32_t)wish->client, .state = WAITING,
                          .object = locked_object(w, wish->object)};
    if (w->machine.lock_protocol == WHOLE_FILE) {
        range.start = 0;
        range.end = ALL;
    }
    number r = new_range(w, range);
    if (likely(r))
        foresee(w, w->now + seconds(w->machine.latency), LOCK_ASKED, r);
}

/* ------------------------------------------------------------------------------- granting */

static int in_the_way(const struct range *other, const void *range)
{
    return clash(other, range);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The widest range around a request that touches nobody else's, granted or waiting. */
static struct range widest(struct world *w, const struct object *object, const struct range *range)
{
    const struct machine *m = &w->machine;
    int64_t conflicts = object->ranges - 1;
    int is_few = m->lock_protocol != EXTENTS || conflicts <= FEW;
    struct range wide = *range;
    if (is_few)
        wide.start = tree_reach(w, object->locks, range->start, in_the_way, range);
    wide.end = tree_next(w, object->locks, range->end, in_the_way, range);
    if (m->lock_protocol == EXTENTS && conflicts > m->lock_conflicts)
        wide.end = smaller(wide.end, larger(range->end, range->start + m->lock_cap));
    return wide;
}

/* Its result says for what it is held: READ, shared, or WRITE, alone. */
static void tell_lock(struct world *w, const struct range *range, enum op op, ns end)
{
    struct record *record = new_record(w, SERVER);
    if (record)
        *record = (struct record){
            .start = range->since, .end = end, .offset = range->start,
            .length = range->end - range->start, .result = range->alone ? WRITE : READ,
            .rank = NOBODY, .client = (int32_t)range->client, .file = -1,
            .target = object_at(w, range->object)->target, .parent = -1, .layer = SERVER,
            .op = (uint8_t)op, .aux = (uint64_t)range->object};
}

/* When a server has come to a request, and when what it says is heard. */
static ns come_to(const struct world *w, const struct range *request)
{
    return larger(w->now, request->served);
}

static ns answered(const struct world *w, const struct range *request)
{
    return come_to(w, request) + seconds(w->machine.latency);
}

static void grant(struct world *w, struct object *object, number r)
{
    struct range *range = range_at(w, r - 1);
    struct range wide = widest(w, object, range);
    tree_change(w, &object->locks, r, wide.start, wide.end);
    range->state = GRANTED;
    object->grants++;
    w->grants++;
    tell_lock(w, range, LOCK, come_to(w, range));
    view_of(w, (int32_t)range->client, range->object)->lock = r;
    foresee(w, answered(w, range), LOCK_GRANTED, r);
}

struct request {
    const struct range *range;
    struct object *object;
};

static number call_back(struct world *w, number other, const void *about)
{
    const struct request *request = about;
    struct range *range = range_at(w, other - 1);
    if (range->state != GRANTED || !clash(range, request->range))
        return 0;
    range->state = CALLED;
    range->wanted = request->range->start;
    range->since = w->now;
    request->object->awaited++;
    request->object->callbacks++;
    w->callbacks++;
    foresee(w, answered(w, request->range), CALLBACK, other);
    return 0;
}

static void serve_requests(struct world *w, struct object *object)
{
    while (object->requests && !object->awaited) {
        number r = range_first(w, object->requests);
        struct request request = {range_at(w, r - 1), object};
        tree_overlapping(w, object->locks, request.range->start, request.range->end, call_back,
                         &request);
        if (object->awaited)
            return;
        range_take(w, &object->requests);
        grant(w, object, r);
    }
}

void request_arrives(struct world *w, number r)
{
    struct range *range = range_at(w, r - 1);
    struct object *object = object_at(w, range->object);
    ns *server = &target_at(w, object->target)->locks;
    range->served = occupy(server, w->now, seconds(w->machine.lock_time));
    tree_add(w, &object->locks, r);
    object->ranges++;
    range_append(w, &object->requests, r);
    serve_requests(w, object);
}

/* ------------------------------------------------------------------------- at the client */

void lock_is_granted(struct world *w, number r)
{
    struct range *range = range_at(w, r - 1);
    number wish = range->wish;
    range->wish = 0;
    wish_is_locked(w, wish);
}

void callback_arrives(struct world *w, number r)
{
    struct range *range = range_at(w, r - 1);
    struct view *view = view_of(w, (int32_t)range->client, range->object);
    range->state = GOING;
    range->next = view->leaving;
    view->leaving = r;
    give_back(w, (int32_t)range->client, range->object);
}

/* Locks are given back by a thread of the client's own, behind the ranks' next requests. */
static ns way_back(const struct machine *m)
{
    return seconds(m->lock_return_time) + seconds(m->latency) + 1;
}

/* Whether a client has something under way to what a lock is for; what it kept goes out first. */
static int is_in_use(struct world *w, int32_t client, int32_t object)
{
    int32_t count = w->machine.lock_protocol == WHOLE_FILE ? object_at(w, object)->count : 1;
    int in_use = 0;
    for (int32_t i = object; i < object + count; i++) {
        flush(w, client, i);
        in_use |= view_of(w, client, i)->flying;
    }
    return in_use;
}

/* Bytes may be kept under their lock only. */
static void drop_under(struct world *w, const struct range *lock)
{
    int64_t protocol = w->machine.lock_protocol;
    int64_t start = protocol == TOKENS ? larger(lock->start, lock->wanted) : lock->start;
    int32_t count = protocol == WHOLE_FILE ? object_at(w, lock->object)->count : 1;
    for (int32_t i = 0; i < count; i++)
        drop_kept(w, (int32_t)lock->client, lock->object + i, start, lock->end);
}

void give_back(struct world *w, int32_t client, int32_t which)
{
    int32_t object = locked_object(w, which);
    struct view *view = view_of(w, client, object);
    if (likely(!view->leaving) || is_in_use(w, client, object))
        return;
    while (view->leaving) {
        number r = view->leaving;
        view->leaving = range_at(w, r - 1)->next;
        if (w->machine.cache_size)
            drop_under(w, range_at(w, r - 1));
        foresee(w, w->now + way_back(&w->machine), RELEASE, r);
    }
}

/* With tokens, the holder keeps what lies before the other one's request. */
void release_arrives(struct world *w, number r)
{
    struct range *range = range_at(w, r - 1);
    struct object *object = object_at(w, range->object);
    tree_remove(w, &object->locks, r);
    object->awaited--;
    object->shared |= w->machine.lock_protocol == WHOLE_FILE;
    struct range given = *range;
    if (w->machine.lock_protocol == TOKENS)
        given.start = larger(range->start, range->wanted);
    tell_lock(w, &given, UNLOCK, w->now);
    if (given.start > range->start) {
        range->end = range->wanted;
        range->state = GRANTED;
        tree_add(w, &object->locks, r);
    } else {
        object->ranges--;
        forget_range(w, r);
    }
    serve_requests(w, object);
}
