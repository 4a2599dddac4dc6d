/* What stores the bytes of a target: a row of a table for each kind, in a file of its own. */
#ifndef PIOTUTOR_ENGINE_DEVICE_H
#define PIOTUTOR_ENGINE_DEVICE_H

#include "world.h"

/* Bytes in a row that a device is to read or write, at an address of its own. */
struct request {
    const struct rpc *rpc;
    int64_t address, length;
    int32_t target, op;
};

struct device_kind {
    struct shape (*shape)(const struct machine *m);
    /* Both find zeroed memory: what the devices have in common, and what each has for itself. */
    void (*make_common)(struct world *w);
    void (*make)(struct world *w, int32_t target);
    void (*complete)(struct world *w, int32_t target); /* what its first requests would make */
    /* Both return when the last byte is done with. `prepare`: what must be read before a write. */
    ns (*prepare)(struct world *w, const struct request *request, ns from);
    ns (*serve)(struct world *w, const struct request *request, ns from);
};

extern const struct device_kind channels_kind, unlimited_kind, disk_kind, array_kind, ssd_kind;

struct shape shape_of_device(const struct machine *m);
void make_common(struct world *w);
void make_devices(struct world *w);
void complete_devices(struct world *w); /* before real time begins */

/* Where the next object of a target begins. */
int64_t place_object(struct world *w, int32_t target);

/* A request is there from a moment on: when it can be served, and, from then on, when it is done. */
ns admit(struct world *w, const struct rpc *rpc, ns from);
ns serve(struct world *w, const struct rpc *rpc, ns from);

/* Both parts of it for bytes in a row: what must be read before a write, and what is asked for. */
ns prepare(struct world *w, const struct request *request, ns from);
ns perform(struct world *w, const struct request *request, ns from);

/* ---------------------------------------------------------------------- for kinds of devices */

static inline struct part *part_of(struct world *w, int32_t target, int64_t part)
{
    return part_at(w, target * w->device.parts + part);
}

static inline void *state_of(struct world *w, int32_t target)
{
    return state_at(w, target * w->device.bytes);
}

/* When a part of a target can begin with what is there from a moment on. */
ns begins(struct world *w, int32_t target, int64_t part, ns from);

/* Let it work for so long; returns when that is over. */
ns works(struct world *w, int32_t target, int64_t part, ns from, ns time);

/* Make a record of what a member of a device did, NOBODY: all of it. */
void tell_device(struct world *w, const struct request *request, int32_t member, ns start, ns end);

/* Serve one request to one of the disks that a target is made of. */
ns spin(struct world *w, const struct request *request, int32_t disk, ns from);
struct shape shape_of_disk(const struct machine *m);
void make_arms(struct world *w, int32_t target);

#endif
