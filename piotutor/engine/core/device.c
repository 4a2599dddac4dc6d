#include "device.h"

/* Channels side by side; the one that is free first takes the request. */
ns serve(struct world *w, const struct rpc *rpc, ns from)
{
    const struct machine *m = &w->machine;
    int64_t n = m->target_channels;
    ns *channel = channel_at(w, object_at(w, rpc->object)->target * n), *first = channel;
    for (int64_t i = 1; i < n; i++)
        if (channel[i] < *first)
            first = channel + i;
    double speed = rpc->op == READ ? m->target_read_bandwidth : m->target_write_bandwidth;
    return occupy(first, from, seconds(m->target_overhead) + duration(rpc->length, speed));
}
