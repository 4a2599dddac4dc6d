/* Ranges of an object's bytes, in a tree for each client, as locks are on the server: those that
 * are there and those that are on their way. What has been kept for longest goes first, in pieces
 * of a request's size at most. */
#include "kept.h"

#include "locks.h"
#include "requests.h"
#include "tree.h"
#include "work.h"

int keeps(struct world *w, const struct rpc *wish)
{
    return w->machine.cache_size && !is_shared(w, wish);
}

/* Locks need room, too. */
static int is_crowded(const struct world *w)
{
    return w->kept > w->range_room / 2;
}

static number any(struct world *w, number range, const void *about)
{
    (void)w, (void)about;
    return range;
}

static number first_in(struct world *w, const struct view *view, int64_t start, int64_t end)
{
    return tree_overlapping(w, view->kept, start, end, any, NULL);
}

/* ------------------------------------------------------------------------ all of a client's */

static void grow_older(struct world *w, number r)
{
    struct client *client = client_at(w, range_at(w, r - 1)->client);
    struct range *range = range_at(w, r - 1);
    range->next = client->newest ? range_at(w, client->newest - 1)->next : r;
    range->previous = client->newest ? client->newest : r;
    client->newest = r;
    range_at(w, range->previous - 1)->next = r;
    range_at(w, range->next - 1)->previous = r;
    client->kept += range->end - range->start;
}

static void forget_kept(struct world *w, number r)
{
    struct range *range = range_at(w, r - 1);
    struct client *client = client_at(w, range->client);
    client->kept -= range->end - range->start;
    range_at(w, range->previous - 1)->next = range->next;
    range_at(w, range->next - 1)->previous = range->previous;
    if (client->newest == r)
        client->newest = range->previous == r ? 0 : range->previous;
    tree_remove(w, &view_of(w, range->client, range->object)->kept, r);
    w->kept--;
    forget_range(w, r);
}

static void make_room(struct world *w, int32_t which)
{
    struct client *client = client_at(w, which);
    while (client->newest && (client->kept > w->machine.cache_size || is_crowded(w)))
        forget_kept(w, range_at(w, client->newest - 1)->next);
}

/* Add to what lies before it, if that is small enough, or by itself. */
static void keep_range(struct world *w, number r)
{
    struct range *range = range_at(w, r - 1);
    struct view *view = view_of(w, range->client, range->object);
    number before = first_in(w, view, range->start - 1, range->start);
    range->state = KEPT;
    grow_older(w, r);
    if (before && range_at(w, before - 1)->state == KEPT
        && range->end - range_at(w, before - 1)->start <= w->machine.rpc_size) {
        int64_t end = range->end;
        forget_kept(w, r);
        client_at(w, range_at(w, before - 1)->client)->kept += end - range_at(w, before - 1)->end;
        tree_change(w, &view->kept, before, range_at(w, before - 1)->start, end);
    }
}

static number new_kept(struct world *w, const struct rpc *of, int64_t start, int64_t end)
{
    number r = new_range(w, (struct range){.start = start, .end = end, .object = of->object,
                                           .client = (uint32_t)of->client, .state = COMING});
    if (likely(r)) {
        tree_add(w, &view_of(w, of->client, of->object)->kept, r);
        w->kept++;
    }
    return r;
}

/* ---------------------------------------------------------------------------------- reading */

static void ask_for(struct world *w, struct rpc rpc, int64_t start, int64_t end)
{
    while (start < end && !w->full) {
        rpc.offset = start;
        rpc.length = end - start < w->machine.rpc_size ? end - start : w->machine.rpc_size;
        rpc.coming = is_crowded(w) ? 0 : new_kept(w, &rpc, start, start + rpc.length);
        if (rpc.rank != NOBODY)
            rank_at(w, rpc.rank)->pending++;
        number r = new_rpc(w, rpc);
        if (likely(r))
            send_rpc(w, r);
        start += rpc.length;
    }
}

static void copy(struct world *w, int32_t rank, int64_t length)
{
    occupy(&rank_at(w, rank)->busy, w->now, duration(length, w->machine.memory_bandwidth));
}

static void wait_for(struct world *w, struct range *range, struct rpc wish, int64_t length)
{
    wish.length = length;
    wish.next = range->wish;
    rank_at(w, wish.rank)->pending++;
    range->wish = new_rpc(w, wish);
}

static void use(struct world *w, struct range *range, const struct rpc *wish, int64_t length)
{
    if (range->state == COMING)
        wait_for(w, range, *wish, length);
    else
        copy(w, wish->rank, length);
}

void read_kept(struct world *w, struct rpc wish)
{
    const struct view *view = view_of(w, wish.client, wish.object);
    int64_t at = wish.offset, end = wish.offset + wish.length;
    while (at < end && !w->full) {
        number r = first_in(w, view, at, end);
        int64_t start = r ? range_at(w, r - 1)->start : end;
        if (at < start) {
            ask_for(w, wish, at, start);
            at = start;
        }
        if (!r)
            return;
        int64_t until = range_at(w, r - 1)->end < end ? range_at(w, r - 1)->end : end;
        if (wish.rank != NOBODY)
            use(w, range_at(w, r - 1), &wish, until - at);
        at = until;
    }
}

void has_come(struct world *w, const struct rpc *rpc)
{
    struct range *range = range_at(w, rpc->coming - 1);
    number waits = range->wish;
    keep_range(w, rpc->coming);
    while (waits) {
        struct rpc waiting = *rpc_at(w, waits - 1);
        forget_rpc(w, waits);
        waits = waiting.next;
        copy(w, waiting.rank, waiting.length);
        part_is_over(w, waiting.rank);
    }
    make_room(w, rpc->client);
}

/* --------------------------------------------------------------------- writing and dropping */

void keep_written(struct world *w, const struct rpc *wish)
{
    const struct view *view = view_of(w, wish->client, wish->object);
    int64_t at = wish->offset, end = wish->offset + wish->length;
    while (at < end && !is_crowded(w)) {
        number r = first_in(w, view, at, end), new = 0;
        int64_t start = r ? range_at(w, r - 1)->start : end;
        if (at < start && (new = new_kept(w, wish, at, start)))
            keep_range(w, new);
        at = r ? range_at(w, r - 1)->end : end;
    }
    make_room(w, wish->client);
}

/* Of a range that begins before, the beginning stays; where one ends behind, that goes, too. */
void drop_kept(struct world *w, int32_t client, int32_t object, int64_t start, int64_t end)
{
    struct view *view = view_of(w, client, object);
    number r;
    while ((r = first_in(w, view, start, end))) {
        struct range *range = range_at(w, r - 1);
        if (range->start < start) {
            client_at(w, client)->kept -= range->end - start;
            tree_change(w, &view->kept, r, range->start, start);
        } else
            forget_kept(w, r);
    }
}
