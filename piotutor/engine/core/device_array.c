/* A target that is an array of disks. What lies side by side on one of them is one request to it;
 * reads that parity needs come first, and the writes when the last of them is done. */
#include "device.h"

#include "raid.h"

static struct array drawn_up(const struct machine *m)
{
    return (struct array){.level = m->array_level, .width = m->array_width,
                          .disks = m->array_disks, .chunk = m->array_chunk,
                          .policy = m->array_policy, .failed = m->array_failed};
}

/* Objects begin with a stripe. */
static struct shape array_shape(const struct machine *m)
{
    struct shape one = shape_of_disk(m);
    struct array array = drawn_up(m);
    int64_t stripe = raid_stripe(&array);
    return (struct shape){.parts = array.disks, .bytes = array.disks * one.bytes, .grain = stripe,
                          .capacity = one.capacity / array.chunk * stripe};
}

/* What is asked of each disk and not yet under way. */
struct rest {
    struct world *w;
    struct request request;
    ns from, done;
    struct {
        int64_t offset, length;
    } of[MOST_DISKS];
};

static void begin_disk(struct rest *rest, int32_t disk)
{
    struct request request = rest->request;
    request.address = rest->of[disk].offset;
    request.length = rest->of[disk].length;
    rest->of[disk].length = 0;
    if (!request.length)
        return;
    ns done = spin(rest->w, &request, disk, rest->from);
    rest->done = done > rest->done ? done : rest->done;
}

static void add(struct rest *rest, const struct member *m)
{
    int64_t *length = &rest->of[m->disk].length;
    if (*length && rest->of[m->disk].offset + *length == m->offset) {
        *length += m->length;
        return;
    }
    begin_disk(rest, m->disk);
    rest->of[m->disk].offset = m->offset;
    *length = m->length;
}

/* Do the reads, or the writes, that a request makes; stripe by stripe, as there may be many. */
static ns do_all(struct world *w, const struct request *request, int op, ns from)
{
    const struct array array = drawn_up(&w->machine);
    struct rest rest = {.w = w, .request = *request, .from = from, .done = from};
    struct member members[MOST_MEMBERS];
    int64_t at = request->address, end = at + request->length, stripe = raid_stripe(&array);
    rest.request.op = op;
    for (int64_t next; at < end && !w->full; at = next) {
        next = at - at % stripe + stripe < end ? at - at % stripe + stripe : end;
        int64_t n = raid_requests(&array, request->op, at, next - at, members, MOST_MEMBERS);
        for (int64_t i = 0; i < n; i++)
            if (members[i].op == op)
                add(&rest, &members[i]);
    }
    for (int32_t disk = 0; disk < array.disks; disk++)
        begin_disk(&rest, disk);
    return rest.done;
}

static ns array_prepare(struct world *w, const struct request *request, ns from)
{
    return do_all(w, request, READ, from);
}

static ns array_serve(struct world *w, const struct request *request, ns from)
{
    return do_all(w, request, request->op, from);
}

const struct device_kind array_kind = {
    .shape = array_shape, .make = make_arms, .prepare = array_prepare, .serve = array_serve};
