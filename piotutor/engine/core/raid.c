/* Parity turns by one disk with each stripe (left-symmetric, as Linux md). A declustered array
 * draws the disks of each stripe anew.
 *
 * Source: Patterson, Gibson and Katz, SIGMOD 1988; Chen et al., RAID, ACM Computing Surveys 26(2),
 * 1994; Holland and Gibson, ASPLOS 1992 (declustering).
 */
#include "raid.h"

#include "random.h"

enum { READ = 2, WRITE = 3 };

struct plan {
    const struct array *a;
    struct member *out;
    int64_t room, count, stripe;
    int lost;
    struct {
        int op;
        int64_t end, which;
    } last[MOST_DISKS]; /* of each place in this stripe: its last request, to be continued */
};

static int64_t parities(const struct array *a)
{
    return a->level == 5 ? 1 : a->level == 6 ? 2 : 0;
}

/* Data chunks of a stripe; of mirrors, all disks hold the same one. */
static int64_t data_chunks(const struct array *a)
{
    return a->level == 1 ? 1 : a->width - parities(a);
}

/* The disk of a place in a stripe: data from 0 on, then parity; drawn without repetition. */
static int32_t disk_of(const struct array *a, int64_t stripe, int64_t place)
{
    if (a->disks == a->width)
        return (int32_t)((place + stripe * (a->width - 1)) % a->width);
    int32_t order[MOST_DISKS];
    for (int32_t i = 0; i < a->disks; i++)
        order[i] = i;
    for (int64_t i = 0; i <= place; i++) {
        int64_t other = i + (int64_t)(mixed((uint64_t)(stripe * MOST_DISKS + i)) % (uint64_t)(a->disks - i));
        int32_t kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    return order[place];
}

static int gone(const struct plan *p, int64_t place)
{
    return disk_of(p->a, p->stripe, place) == p->a->failed;
}

static void next_stripe(struct plan *p)
{
    for (int64_t i = 0; i < p->a->width; i++)
        p->last[i].op = 0;
}

/* Whether a place's last request was made longer. */
static int goes_on(struct plan *p, int op, int64_t place, int64_t lo, int64_t hi)
{
    if (p->last[place].op != op || p->last[place].end != lo)
        return 0;
    if (p->last[place].which < p->room)
        p->out[p->last[place].which].length += hi - lo;
    p->last[place].end = hi;
    return 1;
}

/* One request to a place, from lo to before hi of its chunk; to a disk that is gone there is none. */
static void ask(struct plan *p, int op, int64_t place, int64_t lo, int64_t hi)
{
    if (lo >= hi || gone(p, place) || goes_on(p, op, place, lo, hi))
        return;
    p->last[place].op = op;
    p->last[place].end = hi;
    p->last[place].which = p->count;
    if (p->count < p->room)
        p->out[p->count] = (struct member){
            .offset = p->stripe * p->a->chunk + lo, .length = hi - lo, .op = (int16_t)op,
            .disk = disk_of(p->a, p->stripe, place), .parity = place >= data_chunks(p->a)};
    p->count++;
}

/* Rows of a chunk: those that a request touches, say. */
struct span {
    int64_t lo, hi;
};

static struct span touched(const struct array *a, int64_t begin, int64_t end, int64_t place)
{
    int64_t lo = begin - place * a->chunk, hi = end - place * a->chunk;
    struct span span = {lo < 0 ? 0 : lo, hi > a->chunk ? a->chunk : hi};
    return span.lo < span.hi ? span : (struct span){0, 0};
}

/* --------------------------------------------------------------------------------- reading */

/* A chunk that is gone is made of all others in its rows. */
static void read_back(struct plan *p, int64_t place, struct span span)
{
    int64_t missing = 0;
    for (int64_t i = 0; i < data_chunks(p->a) + parities(p->a); i++)
        missing += gone(p, i);
    p->lost |= missing > parities(p->a);
    for (int64_t i = 0; i < data_chunks(p->a) + 1; i++)
        if (i != place)
            ask(p, READ, i, span.lo, span.hi);
}

static void read_stripe(struct plan *p, int64_t begin, int64_t end)
{
    for (int64_t i = 0; i < data_chunks(p->a); i++) {
        struct span span = touched(p->a, begin, end, i);
        if (span.hi && gone(p, i))
            read_back(p, i, span);
        else
            ask(p, READ, i, span.lo, span.hi);
    }
}

/* --------------------------------------------------------------------------------- writing */

/* A band: rows of a stripe in which each chunk is touched in all of them, or in none. */
struct band {
    struct span rows;
    int64_t begin, end; /* what the whole request touches, in bytes of the stripe */
};

static int touches(const struct array *a, const struct band *b, int64_t place)
{
    struct span span = touched(a, b->begin, b->end, place);
    return span.lo <= b->rows.lo && b->rows.hi <= span.hi;
}

static void ask_parity(struct plan *p, int op, const struct band *b)
{
    for (int64_t i = 0; i < parities(p->a); i++)
        ask(p, op, data_chunks(p->a) + i, b->rows.lo, b->rows.hi);
}

/* The band's data chunks that the request touches, or the others. */
static void ask_data(struct plan *p, int op, const struct band *b, int touched_ones)
{
    for (int64_t i = 0; i < data_chunks(p->a); i++)
        if (touches(p->a, b, i) == touched_ones)
            ask(p, op, i, b->rows.lo, b->rows.hi);
}

struct tally { /* of data chunks */
    int64_t touched, touched_gone, others_gone;
};

static struct tally tally(const struct plan *p, const struct band *b)
{
    struct tally t = {0, 0, 0};
    for (int64_t i = 0; i < data_chunks(p->a); i++) {
        int is_touched = touches(p->a, b, i), is_gone = gone(p, i);
        t.touched += is_touched;
        t.touched_gone += is_touched && is_gone;
        t.others_gone += !is_touched && is_gone;
    }
    return t;
}

/* Whether new parity is made of old data and old parity; else it is made of all other data. */
static int from_old(const struct plan *p, struct tally t)
{
    int64_t old = t.touched + parities(p->a), others = data_chunks(p->a) - t.touched;
    if (t.touched_gone || t.others_gone)
        return t.others_gone > 0;
    return p->a->policy == READ_MODIFY || (p->a->policy == CHEAPER && old < others);
}

static int parity_is_gone(const struct plan *p)
{
    for (int64_t i = 0; i < parities(p->a); i++)
        if (!gone(p, data_chunks(p->a) + i))
            return 0;
    return 1;
}

static void read_for_parity(struct plan *p, const struct band *b)
{
    struct tally t = tally(p, b);
    if (!t.touched || t.touched == data_chunks(p->a) || parity_is_gone(p))
        return;
    if (from_old(p, t)) {
        ask_data(p, READ, b, 1);
        ask_parity(p, READ, b);
    } else
        ask_data(p, READ, b, 0);
}

static void write_band(struct plan *p, const struct band *b)
{
    ask_data(p, WRITE, b, 1);
    if (tally(p, b).touched)
        ask_parity(p, WRITE, b);
}

static void write_stripe(struct plan *p, int64_t begin, int64_t end)
{
    int64_t chunk = p->a->chunk, one = begin % chunk, other = (end - 1) % chunk + 1;
    int64_t low = one < other ? one : other, high = one < other ? other : one;
    const struct band bands[] = {{{0, low}, begin, end}, {{low, high}, begin, end},
                                 {{high, chunk}, begin, end}};
    void (*const act[])(struct plan *, const struct band *) = {read_for_parity, write_band};
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 3; k++)
            if (bands[k].rows.lo < bands[k].rows.hi)
                act[i](p, &bands[k]);
}

/* A mirror is read from its disks in turn, and written to all. */
static void mirror(struct plan *p, int op, int64_t begin, int64_t end)
{
    int64_t first = p->stripe % p->a->width;
    for (int64_t i = 0; i < p->a->width; i++) {
        int64_t place = (first + i) % p->a->width, before = p->count;
        ask(p, op, place, begin, end);
        if (op == READ && p->count > before)
            return;
    }
}

int64_t raid_stripe(const struct array *a)
{
    return data_chunks(a) * a->chunk;
}

int64_t raid_requests(const struct array *a, int32_t op, int64_t offset, int64_t length,
                      struct member *out, int64_t room)
{
    struct plan p = {.a = a, .out = out, .room = room};
    int64_t stripe_bytes = raid_stripe(a), end = offset + length;
    for (p.stripe = offset / stripe_bytes; p.stripe * stripe_bytes < end; p.stripe++) {
        int64_t base = p.stripe * stripe_bytes;
        int64_t from = offset > base ? offset - base : 0;
        int64_t to = end - base < stripe_bytes ? end - base : stripe_bytes;
        next_stripe(&p);
        if (a->level == 1)
            mirror(&p, op, from, to);
        else
            (op == READ ? read_stripe : write_stripe)(&p, from, to);
    }
    return p.lost ? -1 : p.count;
}
