/* An operation is cut into parts: one for each object that it touches. */
#include "work.h"

#include "ahead.h"
#include "cache.h"
#include "engine.h"
#include "kept.h"
#include "locks.h"
#include "metadata.h"
#include "requests.h"

/* ---------------------------------------------------------------------------------- records */

struct record *new_record(struct world *w, enum layer layer)
{
    if (!(w->layers >> layer & 1))
        return NULL;
    if (w->records == w->record_room) {
        w->dropped++;
        return NULL;
    }
    return record_at(w, w->records++);
}

void tell(struct world *w, enum layer layer, const struct rpc *rpc, ns start, ns end)
{
    struct record *record = new_record(w, layer);
    if (record)
        *record = (struct record){
            .start = start, .end = end, .offset = rpc->offset, .length = rpc->length,
            .result = rpc->length, .client = rpc->client, .file = -1,
            .rank = rpc->rank == NOBODY ? NOBODY : rank_at(w, rpc->rank)->name,
            .target = object_at(w, rpc->object)->target, .parent = -1, .layer = (uint8_t)layer,
            .op = (uint8_t)rpc->op, .aux = (uint64_t)rpc->object};
}

static void tell_operation(struct world *w, int32_t which)
{
    const struct rank *rank = rank_at(w, which);
    struct record *record = new_record(w, APP);
    if (record)
        *record = (struct record){
            .start = rank->began, .end = w->now, .offset = rank->doing.offset,
            .length = rank->doing.length, .result = rank->doing.length, .rank = which,
            .client = rank->client, .file = rank->doing.file, .target = -1, .parent = -1,
            .layer = APP, .op = (uint8_t)rank->doing.op, .aux = rank->doing.phase};
}

/* ------------------------------------------------------------------------------ operations */

void operation_is_over(struct world *w, int32_t rank)
{
    if (rank_at(w, rank)->doing.op < PAUSE)
        tell_operation(w, rank);
    rank_append(w, &w->ready, (number)rank + 1);
}

void part_is_over(struct world *w, int32_t which)
{
    struct rank *rank = rank_at(w, which);
    if (--rank->pending)
        return;
    if (rank->busy > w->now)
        foresee(w, rank->busy, DONE, (number)which);
    else
        operation_is_over(w, which);
}

static number new_part(struct world *w, struct rpc wish)
{
    rank_at(w, wish.rank)->pending++;
    return new_rpc(w, wish);
}

static void send_cut(struct world *w, struct rpc wish)
{
    int64_t end = wish.offset + wish.length;
    while (wish.offset < end) {
        int64_t rest = end - wish.offset;
        wish.length = rest < w->machine.rpc_size ? rest : w->machine.rpc_size;
        number r = new_part(w, wish);
        if (unlikely(!r))
            return;
        send_rpc(w, r);
        wish.offset += wish.length;
    }
}

static void move(struct world *w, struct rpc wish)
{
    if (wish.op == READ && keeps(w, &wish)) {
        read_kept(w, wish);
        return;
    }
    if (wish.op == READ || !w->machine.dirty_limit || is_shared(w, &wish)) {
        if (wish.op == WRITE && keeps(w, &wish))
            keep_written(w, &wish);
        send_cut(w, wish);
        return;
    }
    number r = new_part(w, wish);
    if (likely(r))
        keep(w, r);
}

static void move_locked(struct world *w, struct rpc wish)
{
    __builtin_prefetch(lane_of(w, wish.client, wish.object), 1);
    if (is_locked(w, &wish)) {
        move(w, wish);
        return;
    }
    number r = new_part(w, wish);
    if (likely(r))
        ask_lock(w, r);
}

void wish_is_locked(struct world *w, number r)
{
    struct rpc wish = *rpc_at(w, r - 1);
    forget_rpc(w, r);
    move(w, wish);
    part_is_over(w, wish.rank);
}

/* Stripes that follow each other on an object lie side by side there: one wish for each object. */
static inline void cut(struct world *w, int32_t rank, struct operation what,
                       void (*act)(struct world *, struct rpc))
{
    const struct file *file = file_at(w, what.file);
    int64_t size = file->stripe_size, count = file->stripe_count;
    int64_t end = what.offset + what.length, first = what.offset / size, last = (end - 1) / size;
    for (int64_t n = first; n <= last && n < first + count; n++) {
        int64_t m = n + (last - n) / count * count; /* the last stripe on the same object */
        int64_t from = n / count * size + (n == first ? what.offset % size : 0);
        int64_t to = m / count * size + (m == last ? (end - 1) % size + 1 : size);
        struct rpc wish = {.offset = from, .length = to - from, .rank = rank, .fragments = 1,
                           .client = rank_at(w, rank)->client,
                           .object = (int32_t)(file->first + n % count), .op = (uint16_t)what.op};
        act(w, wish);
    }
}

void for_each_object(struct world *w, int32_t rank, struct operation what,
                     void (*act)(struct world *, struct rpc))
{
    cut(w, rank, what, act);
}

static void transfer(struct world *w, int32_t rank, struct operation what)
{
    engine_extend_file(w, what.file, what.offset + what.length);
    cut(w, rank, what, move_locked);
    if (what.op == READ && w->machine.read_ahead)
        read_ahead(w, rank, what);
}

static void sync(struct world *w, int32_t rank, struct operation what)
{
    const struct file *file = file_at(w, what.file);
    int32_t client = rank_at(w, rank)->client;
    for (int64_t i = 0; i < file->stripe_count; i++) {
        int32_t object = (int32_t)(file->first + i);
        flush(w, client, object);
        rank_at(w, rank)->pending += wait_for_object(w, rank, client, object);
    }
}

static void barrier(struct world *w, int32_t rank, struct operation what)
{
    (void)what;
    rank_at(w, rank)->pending++;
    rank_at(w, rank)->next = w->arrived;
    w->arrived = (number)rank + 1;
    if (--w->missing)
        return;
    number next = w->arrived;
    w->arrived = 0;
    w->missing = w->ranks;
    while (next) {
        int32_t one = (int32_t)next - 1;
        next = rank_at(w, one)->next;
        part_is_over(w, one);
    }
}

static void wait_until(struct world *w, int32_t rank, struct operation what)
{
    (void)w;
    rank_at(w, rank)->busy = what.offset;
}

static void pause_for(struct world *w, int32_t rank, struct operation what)
{
    rank_at(w, rank)->busy = w->now + what.offset;
}

static void nothing(struct world *w, int32_t rank, struct operation what)
{
    (void)w, (void)rank, (void)what;
}

void begin(struct world *w, int32_t which, struct operation what)
{
    static void (*const act[256])(struct world *, int32_t, struct operation) = {
        [OPEN] = ask_metadata, [CREATE] = ask_metadata, [STAT] = ask_metadata,
        [REMOVE] = ask_metadata, [TRUNCATE] = ask_metadata, [RENAME] = ask_metadata,
        [READ] = transfer, [WRITE] = transfer, [SYNC] = sync, [CLOSE] = sync, [BARRIER] = barrier,
        [PAUSE] = pause_for, [WAIT] = wait_until};
    struct rank *rank = rank_at(w, which);
    rank->doing = what;
    rank->began = w->now;
    rank->pending = 1; /* so that it isn't over before all parts are begun */
    (act[what.op & 255] ? act[what.op & 255] : nothing)(w, which, what);
    part_is_over(w, which);
}
