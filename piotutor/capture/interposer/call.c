/* One call becomes one record: all of it is stored before the word that makes it whole. */
#include "interposer.h"

struct call call_enter(void)
{
    struct call call = {.outer = me.outer};
    if (!me.quiet)
        call.record = trace_claim(&call.index);
    if (call.record)
        me.outer = call.index + 1;
    call.start = now();
    return call;
}

static int32_t thread_number(void)
{
    if (unlikely(!me.number))
        me.number = atomic_fetch_add(&process->threads, 1) + 1;
    return me.number - 1;
}

static unsigned all_flags(const struct what *what)
{
    int moves = what->op == OP_READ || what->op == OP_WRITE;
    unsigned flags = what->flags | (unsigned)what->call << 8;
    if (what->result < 0)
        return flags | FLAG_FAILED;
    return moves && what->result < what->length ? flags | FLAG_SHORT : flags;
}

static void fill(record *r, const struct call *call, const struct what *what, int32_t parent)
{
    r->start = call->start;
    r->end = call->end;
    r->offset = what->offset;
    r->length = what->length;
    r->result = what->result;
    r->rank = settings.rank;
    r->client = settings.client;
    r->thread = thread_number();
    r->file = what->file;
    r->target = -1;
    r->parent = parent;
    r->aux = what->aux;
    uint64_t tail = (uint64_t)all_flags(what) << 16 | (uint64_t)what->op << 8 | what->layer;
    atomic_store_explicit(&r->tail, tail, memory_order_release);
}

void call_end(struct call *call, const struct what *what)
{
    if (call->record)
        me.outer = call->outer;
    else if (!me.quiet)
        call->record = trace_claim(&call->index);
    if (likely(call->record))
        fill(call->record, call, what, call->outer - 1);
    errno = call->error;
}

void call_part(const struct call *call, const struct what *what)
{
    int32_t index;
    record *r = call->record ? trace_claim(&index) : NULL;
    struct what part = *what;
    part.flags |= FLAG_PART;
    if (r)
        fill(r, call, &part, call->index);
}

void call_drop(int64_t n)
{
    trace_drop(n);
}
