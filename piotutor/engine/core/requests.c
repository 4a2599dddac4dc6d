/* A request leaves its client when its lane has a place in flight and the interface is free; goes
 * through the server's interface to the device; and comes back. A message without data takes the
 * latency only. */
#include "requests.h"

#include "cache.h"
#include "device.h"
#include "kept.h"
#include "memory.h"
#include "work.h"

number new_rpc(struct world *w, struct rpc what)
{
    number r = w->free_rpc;
    if (likely(r))
        w->free_rpc = rpc_at(w, r - 1)->next;
    else if (likely(w->rpcs < w->rpc_room))
        r = ++w->rpcs;
    else
        w->full = NO_ROOM_LEFT;
    if (likely(r))
        *rpc_at(w, r - 1) = what;
    return r;
}

void forget_rpc(struct world *w, number r)
{
    rpc_at(w, r - 1)->next = w->free_rpc;
    w->free_rpc = r;
}

static inline int64_t bytes_if(const struct rpc *rpc, enum op op)
{
    return rpc->op == op ? rpc->length : 0;
}

static struct target *server_of(struct world *w, const struct rpc *rpc)
{
    int64_t per = w->machine.targets_per_server;
    return target_at(w, object_at(w, rpc->object)->target / per * per);
}

static void transmit(struct world *w, number r)
{
    const struct rpc *rpc = rpc_at(w, r - 1);
    ns time = duration(bytes_if(rpc, WRITE), w->machine.client_bandwidth);
    ns out = occupy(&client_at(w, rpc->client)->sent, w->now, time);
    foresee(w, out + seconds(w->machine.latency), ARRIVE, r);
}

void send_rpc(struct world *w, number r)
{
    const struct rpc *rpc = rpc_at(w, r - 1);
    struct lane *lane = lane_of(w, rpc->client, rpc->object);
    view_of(w, rpc->client, rpc->object)->flying++;
    if (lane->flying == w->machine.rpcs_in_flight) {
        rpc_append(w, &lane->waiting, r);
        return;
    }
    lane->flying++;
    transmit(w, r);
}

static void tell_stored(struct world *w, number r, ns arrived, ns done)
{
    const struct rpc *rpc = rpc_at(w, r - 1);
    struct target *target = target_at(w, object_at(w, rpc->object)->target);
    target->operations++;
    target->bytes += rpc->length;
    tell(w, SERVER, rpc, arrived, done);
    if (rpc->op == READ && w->machine.server_bandwidth > 0)
        foresee(w, done, LEAVE, r);
    else
        foresee(w, done + seconds(w->machine.latency), BACK, r);
}

void rpc_arrives(struct world *w, number r)
{
    const struct rpc *rpc = rpc_at(w, r - 1);
    ns time = duration(bytes_if(rpc, WRITE), w->machine.server_bandwidth);
    ns arrived = occupy(&server_of(w, rpc)->received, w->now, time);
    ns ready = admit(w, rpc, arrived);
    if (likely(ready == arrived && !is_remembered(w, rpc))) {
        tell_stored(w, r, arrived, serve(w, rpc, arrived));
        return;
    }
    *arrived_at(w, r - 1) = arrived;
    foresee(w, ready, STORE, r);
}

void rpc_is_admitted(struct world *w, number r)
{
    const struct rpc *rpc = rpc_at(w, r - 1);
    if (is_remembered(w, rpc))
        remember(w, r);
    else
        rpc_is_stored(w, r, serve(w, rpc, w->now));
}

void rpc_is_stored(struct world *w, number r, ns done)
{
    tell_stored(w, r, *arrived_at(w, r - 1), done);
}

void rpc_leaves(struct world *w, number r)
{
    const struct rpc *rpc = rpc_at(w, r - 1);
    ns time = duration(rpc->length, w->machine.server_bandwidth);
    ns out = occupy(&server_of(w, rpc)->sent, w->now, time);
    foresee(w, out + seconds(w->machine.latency), BACK, r);
}

void rpc_is_back(struct world *w, number r)
{
    const struct rpc *rpc = rpc_at(w, r - 1);
    ns time = duration(bytes_if(rpc, READ), w->machine.client_bandwidth);
    if (!time) {
        rpc_is_over(w, r);
        return;
    }
    foresee(w, occupy(&client_at(w, rpc->client)->received, w->now, time), OVER, r);
}

void rpc_is_over(struct world *w, number r)
{
    struct rpc rpc = *rpc_at(w, r - 1);
    struct lane *lane = lane_of(w, rpc.client, rpc.object);
    __builtin_prefetch(view_of(w, rpc.client, rpc.object), 1);
    forget_rpc(w, r);
    number next = rpc_take(w, &lane->waiting);
    if (next)
        transmit(w, next);
    else
        lane->flying--;
    if (rpc.op == READ && rpc.coming)
        has_come(w, &rpc);
    if (rpc.rank != NOBODY)
        part_is_over(w, rpc.rank);
    else if (rpc.op == WRITE)
        written_back(w, &rpc);
    one_fewer_flying(w, rpc.client, rpc.object);
}
