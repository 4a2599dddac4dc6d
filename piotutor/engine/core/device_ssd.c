/* A target that is an SSD: channels, page after page in turn, each with flash of its own. A channel
 * that has to collect garbage is busy with it before it writes. */
#include "device.h"

#include "flash.h"

#include <string.h>

static int64_t user_pages(const struct machine *m)
{
    return (int64_t)((double)(m->ssd_block_pages * m->ssd_blocks) / (1 + m->ssd_spare));
}

static int64_t bytes_each(const struct machine *m)
{
    return flash_bytes(m->ssd_block_pages, m->ssd_blocks, user_pages(m));
}

/* Objects begin with the first channel. */
static struct shape ssd_shape(const struct machine *m)
{
    int64_t row = m->ssd_page * m->ssd_channels, bytes = m->ssd_channels * bytes_each(m);
    return (struct shape){.parts = m->ssd_channels, .bytes = bytes, .common = bytes, .grain = row,
                          .capacity = row * user_pages(m)};
}

/* All targets begin alike: fresh, or written once in order and then at random; no two channels at
 * the same distance from their next collection. */
static void ssd_make_common(struct world *w)
{
    const struct machine *m = &w->machine;
    int64_t pages = user_pages(m), bytes = bytes_each(m);
    for (int64_t i = 0; i < m->ssd_channels && !w->full; i++) {
        struct flash *f = (struct flash *)common_at(w, i * bytes);
        uint64_t seed = (uint64_t)(m->seed + i);
        flash_make(f, m->ssd_block_pages, m->ssd_blocks, pages, 1);
        for (int64_t page = 0; m->ssd_rewritten && page < pages; page++)
            flash_write(f, (uint32_t)page);
        int64_t more = m->ssd_rewritten ? i * m->ssd_block_pages / m->ssd_channels : 0;
        for (int64_t times = 0; times < m->ssd_rewritten && !w->full; times++)
            seed = flash_write_random(f, pages, seed);
        flash_write_random(f, more, seed);
    }
}

/* A channel of a target gets a state of its own when it is first written to. */
static struct flash *flash_of(struct world *w, int32_t target, int64_t channel)
{
    int64_t bytes = bytes_each(&w->machine), at = channel * bytes;
    struct flash *f = (struct flash *)((char *)state_of(w, target) + at);
    if (unlikely(!f->blocks))
        memcpy(f, common_at(w, at), (size_t)bytes);
    return f;
}

static void ssd_complete(struct world *w, int32_t target)
{
    for (int64_t channel = 0; channel < w->machine.ssd_channels; channel++)
        flash_of(w, target, channel);
}

/* What serving a request came to, in pages, and when. */
struct sum {
    int64_t pages, read, moved; /* read: for others' sake */
    ns start, done;
};

/* Write one page; what is left of an old one beside new bytes is read first. Returns how long. */
static ns write_page(const struct machine *m, struct flash *f, uint32_t page, int whole,
                     struct sum *sum)
{
    int64_t erased = f->erased, old = !whole && flash_holds(f, page);
    int64_t moved = flash_write(f, page);
    sum->read += old + moved;
    sum->moved += moved;
    return seconds(m->ssd_write_time) * (1 + moved) + seconds(m->ssd_read_time) * (old + moved)
           + seconds(m->ssd_erase_time) * (f->erased - erased);
}

static void tell_pages(struct world *w, struct request request, enum op op, int64_t pages,
                       const struct sum *sum, int32_t member)
{
    request.op = op;
    request.length = pages * w->machine.ssd_page;
    if (pages)
        tell_device(w, &request, member, sum->start, sum->done);
}

/* Serve those pages of a request that one channel has. */
static void serve_channel(struct world *w, const struct request *request, ns from, int64_t first,
                          int64_t end, struct sum *sum)
{
    const struct machine *m = &w->machine;
    int64_t size = m->ssd_page, channel = first % m->ssd_channels;
    struct flash *f = request->op == READ ? NULL : flash_of(w, request->target, channel);
    ns start = begins(w, request->target, channel, from), done = from;
    for (int64_t page = first; page * size < end && !w->full;
         page += m->ssd_channels, sum->pages++) {
        int whole = page * size >= request->address && (page + 1) * size <= end;
        ns time = f ? write_page(m, f, (uint32_t)(page / m->ssd_channels), whole, sum)
                    : seconds(m->ssd_read_time);
        done = works(w, request->target, channel, from, time);
    }
    sum->start = start < sum->start ? start : sum->start;
    sum->done = done > sum->done ? done : sum->done;
}

static ns ssd_serve(struct world *w, const struct request *request, ns from)
{
    const struct machine *m = &w->machine;
    int64_t first = request->address / m->ssd_page, end = request->address + request->length;
    struct sum sum = {.start = NEVER, .done = from};
    for (int64_t i = 0; i < m->ssd_channels && (first + i) * m->ssd_page < end; i++)
        serve_channel(w, request, from, first + i, end, &sum);
    tell_pages(w, *request, (enum op)request->op, sum.pages, &sum, 0);
    tell_pages(w, *request, READ, sum.read, &sum, NOBODY);
    tell_pages(w, *request, WRITE, sum.moved, &sum, NOBODY);
    return sum.done;
}

const struct device_kind ssd_kind = {
    .shape = ssd_shape, .make_common = ssd_make_common, .complete = ssd_complete,
    .serve = ssd_serve};
