/* Written bytes wait for others beside them until they make a request of full size. When a lane's
 * limit is reached, its oldest bytes go out, and who wants to write waits for their return. */
#include "cache.h"

#include "kept.h"
#include "locks.h"
#include "requests.h"
#include "work.h"

#define MOST_FRAGMENTS 256 /* pages of a request, as of Lustre's bulk transfers of 1 MiB */

void flush(struct world *w, int32_t client, int32_t object)
{
    struct view *view = view_of(w, client, object);
    number stash = view->stash;
    view->stash = 0;
    if (stash)
        send_rpc(w, stash);
}

static void list_view(struct world *w, struct lane *lane, int32_t client, int32_t object)
{
    struct view *view = view_of(w, client, object);
    if (view->next)
        return;
    struct view *last = lane->stashes ? view_of(w, client, lane->stashes - 1) : view;
    view->next = lane->stashes ? last->next : (number)object + 1;
    lane->stashes = last->next = (number)object + 1;
}

static void flush_oldest(struct world *w, struct lane *lane, int32_t client)
{
    struct view *last = view_of(w, client, lane->stashes - 1);
    int32_t object = (int32_t)last->next - 1;
    struct view *first = view_of(w, client, object);
    if (first == last)
        lane->stashes = 0;
    last->next = first->next;
    first->next = 0;
    flush(w, client, object);
}

/* The request to which bytes are added; 0: there is no more room. */
static number stash_of(struct world *w, struct view *view, const struct rpc *wish)
{
    if (!view->stash)
        view->stash = new_rpc(w, (struct rpc){.offset = wish->offset, .end = -1, .rank = NOBODY,
                                              .client = wish->client, .object = wish->object,
                                              .op = WRITE});
    return view->stash;
}

static void gather(struct world *w, struct lane *lane, struct rpc wish)
{
    struct view *view = view_of(w, wish.client, wish.object);
    number r;
    lane->dirty += wish.length;
    while (wish.length && (r = stash_of(w, view, &wish))) {
        struct rpc *stash = rpc_at(w, r - 1);
        int64_t room = w->machine.rpc_size - stash->length;
        int64_t some = wish.length < room ? wish.length : room;
        stash->length += some;
        stash->fragments += wish.offset != stash->end;
        stash->end = wish.offset + some;
        wish.offset += some;
        wish.length -= some;
        if (stash->length == w->machine.rpc_size || stash->fragments == MOST_FRAGMENTS)
            flush(w, wish.client, wish.object);
    }
    if (view->stash)
        list_view(w, lane, wish.client, wish.object);
}

/* Whether there is room; more than the limit at once is let in alone. */
static int fits(const struct world *w, const struct lane *lane, int64_t length)
{
    return !lane->dirty || lane->dirty + length <= w->machine.dirty_limit;
}

static void take_in(struct world *w, struct lane *lane, number wish)
{
    struct rpc rpc = *rpc_at(w, wish - 1);
    struct rank *rank = rank_at(w, rpc.rank);
    forget_rpc(w, wish);
    gather(w, lane, rpc);
    if (keeps(w, &rpc))
        keep_written(w, &rpc);
    occupy(&rank->busy, w->now, duration(rpc.length, w->machine.memory_bandwidth));
    part_is_over(w, rpc.rank);
}

void keep(struct world *w, number wish)
{
    const struct rpc *rpc = rpc_at(w, wish - 1);
    struct lane *lane = lane_of(w, rpc->client, rpc->object);
    if (!lane->wishes && fits(w, lane, rpc->length)) {
        take_in(w, lane, wish);
        return;
    }
    int32_t client = rpc->client;
    view_of(w, client, rpc->object)->flying++; /* a lock for it must not go */
    rpc_append(w, &lane->wishes, wish);
    while (lane->stashes)
        flush_oldest(w, lane, client);
}

void written_back(struct world *w, const struct rpc *rpc)
{
    struct lane *lane = lane_of(w, rpc->client, rpc->object);
    lane->dirty -= rpc->length;
    while (lane->wishes && fits(w, lane, rpc_at(w, rpc_first(w, lane->wishes) - 1)->length)) {
        number wish = rpc_take(w, &lane->wishes);
        int32_t object = rpc_at(w, wish - 1)->object;
        take_in(w, lane, wish);
        one_fewer_flying(w, rpc->client, object);
    }
    if (lane->wishes)
        while (lane->stashes)
            flush_oldest(w, lane, rpc->client);
}

int wait_for_object(struct world *w, int32_t rank, int32_t client, int32_t object)
{
    struct view *view = view_of(w, client, object);
    if (!view->flying)
        return 0;
    number r = new_rpc(w, (struct rpc){.rank = rank, .next = view->waiting});
    view->waiting = r;
    return 1;
}

void one_fewer_flying(struct world *w, int32_t client, int32_t object)
{
    struct view *view = view_of(w, client, object);
    if (--view->flying)
        return;
    while (view->waiting) {
        number r = view->waiting;
        struct rpc waits = *rpc_at(w, r - 1);
        view->waiting = waits.next;
        forget_rpc(w, r);
        part_is_over(w, waits.rank);
    }
    give_back(w, client, object);
}
