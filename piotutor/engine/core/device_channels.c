/* Channels side by side: the one that is free first takes a request, whole. They have no addresses. */
#include "device.h"

static struct shape channels_shape(const struct machine *m)
{
    return (struct shape){.parts = m->target_channels};
}

static ns channels_serve(struct world *w, const struct request *request, ns from)
{
    const struct machine *m = &w->machine;
    int64_t first = 0;
    ns earliest = begins(w, request->target, 0, from);
    for (int64_t i = 1; i < m->target_channels; i++) {
        ns start = begins(w, request->target, i, from);
        if (start < earliest)
            earliest = start, first = i;
    }
    double speed = request->op == READ ? m->target_read_bandwidth : m->target_write_bandwidth;
    ns time = seconds(m->target_overhead) + duration(request->length, speed);
    return works(w, request->target, first, from, time);
}

const struct device_kind channels_kind = {.shape = channels_shape, .serve = channels_serve};

static struct shape no_shape(const struct machine *m)
{
    (void)m;
    return (struct shape){0};
}

static ns at_once(struct world *w, const struct request *request, ns from)
{
    (void)w, (void)request;
    return from;
}

const struct device_kind unlimited_kind = {.shape = no_shape, .serve = at_once};
