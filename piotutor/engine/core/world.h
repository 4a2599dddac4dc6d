/* One storage system at one moment: clients, servers, targets, and what is under way.
 *
 * All of it lies in one block of memory and refers to itself by numbers, never by addresses, so
 * that it works in one process in virtual time and, shared, under many processes in real time.
 * Numbers of what comes and goes count from 1; 0 stands for none.
 */
#ifndef PIOTUTOR_ENGINE_WORLD_H
#define PIOTUTOR_ENGINE_WORLD_H

#include <stddef.h>
#include <stdint.h>

typedef int64_t ns;
typedef uint32_t number;

#define NOBODY (-1)
#define NEVER INT64_MAX
#define ALL INT64_MAX /* where a range ends that has no end */
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

struct machine {
#define INTEGER(name) int64_t name;
#define NUMBER(name) double name;
#include "machine.def"
#undef INTEGER
#undef NUMBER
};

/* piotutor/trace/record.py has the same; WAIT is ours: until `offset` ns after the beginning. */
enum op {
    OPEN = 1, READ, WRITE, SYNC, CLOSE, REMOVE, LOCK = 9, UNLOCK, STAT, BARRIER, CREATE = 14, WAIT = 255
};
enum layer { APP = 1, SERVER = 6 };

/* ------------------------------------------------------------------------------- its things */

struct operation {
    int64_t offset, length;
    int32_t file;
    uint16_t op, phase; /* phase: kept for the record's aux */
};

struct file {
    int64_t stripe_size, stripe_count;
    int64_t first; /* its first object; the others follow */
};

/* A lock of a client on a range of an object, from its request on. */
enum state { GONE, WAITING, GRANTED, CALLED, GOING };

struct range {
    int64_t start, end;
    int64_t reach; /* the largest end in the tree below it */
    int64_t wanted; /* where the request begins for which it was called back */
    ns asked, served, called; /* served: when its server comes to the request */
    int32_t client, object;
    number left, right, next;
    number wish; /* that waits for it */
    uint16_t op, state;
};

struct object {
    int32_t target;
    int32_t first, count; /* of the file's objects */
    int32_t awaited;      /* locks that were called back and aren't yet here */
    int32_t shared;       /* nobody may keep its bytes any more */
    number locks;         /* tree of them, and of the requests */
    number first_request, last_request;
    int64_t ranges, grants, callbacks;
};

struct rank {
    struct operation doing;
    ns began, busy; /* busy: until then it copies memory */
    int32_t client;
    int32_t name;    /* by which records call it */
    int32_t pending; /* parts of what it does that aren't over */
    number next;     /* in the list of those that are ready, or at the barrier */
};

struct client {
    ns sent, received; /* when its interface is free again, each way */
};

struct target {
    ns sent, received; /* the same of its server; only a server's first target has them */
    ns locks;          /* when its server can look at another lock request */
    int64_t operations, bytes;
};

/* Bytes of one object that a client wants moved: first a wish of any size, then cut into requests
 * that travel to the target and back. */
struct rpc {
    int64_t offset, length;
    ns arrived;
    int32_t client, object, rank; /* rank NOBODY: written back, no one waits for it */
    uint16_t op, fragments;
    number next;
};

/* What a client knows of an object: bytes that were written and wait for more, to make a request
 * of a good size; requests under way; who waits for these. */
struct view {
    int64_t offset, end, bytes;
    uint16_t fragments, listed;
    int32_t flying;
    number waiting;
    number lock;    /* the one that was of use last */
    number leaving; /* those called back, until nothing is under way */
    number next; /* object number + 1, in its lane's list of those with bytes */
};

/* What a client knows of a target. */
struct lane {
    int64_t dirty;
    int32_t flying;
    number first, last;           /* requests that wait until another one is back */
    number wishes, last_wish;     /* that wait for room in the cache */
    number stashes, last_stash;   /* objects with bytes that wait for more */
};

struct event {
    ns time;
    number which, next;
    uint32_t kind;
};

struct record { /* of piotutor/trace/record.py */
    int64_t start, end, offset, length, result;
    int32_t rank, client, thread, file, target, parent;
    uint8_t layer, op;
    uint16_t flags;
    uint32_t reserved;
    uint64_t aux;
};

/* ------------------------------------------------------------------------------- the block */

#define TABLES \
    TABLE(struct file, file) \
    TABLE(struct object, object) \
    TABLE(struct rank, rank) \
    TABLE(struct client, client) \
    TABLE(struct target, target) \
    TABLE(ns, channel) /* of each target: when it is free again */ \
    TABLE(struct view, view) \
    TABLE(struct lane, lane) \
    TABLE(struct rpc, rpc) \
    TABLE(struct range, range) \
    TABLE(struct event, event) \
    TABLE(struct record, record)

struct world {
    struct machine machine;
    ns now;
    int64_t bytes, files, objects, ranks;
    int64_t records, record_room, dropped, happened;
    ns metadata; /* when its server is free again */
    ns last_time; /* of the event before; the buckets are by what differs from it */
    uint64_t filled; /* a bit for each bucket with events */
    struct {
        number first, last;
    } bucket[64];
    number free_event, events, event_room;
    number free_rpc, rpcs, rpc_room;
    number free_range, ranges, range_room;
    int64_t grants, callbacks;
    number ready, last_ready; /* ranks that are done with an operation, and at once */
    number arrived;           /* ranks at the barrier */
    int64_t missing;          /* those that aren't there yet */
    int32_t layers;           /* which of them make records: a bit for each */
    int32_t full;             /* something didn't fit: what follows is worth nothing */
    struct {
#define TABLE(type, name) int64_t name;
        TABLES
#undef TABLE
    } at; /* bytes from here */
};

#define TABLE(type, name) \
    static inline type *name##_at(struct world *w, int64_t i) \
    { \
        return (type *)((char *)w + w->at.name) + i; \
    }
TABLES
#undef TABLE

static inline struct view *view_of(struct world *w, int64_t client, int64_t object)
{
    return view_at(w, client * w->objects + object);
}

static inline struct lane *lane_of(struct world *w, int64_t client, int64_t object)
{
    return lane_at(w, client * w->machine.targets + object_at(w, object)->target);
}

static inline ns seconds(double s)
{
    return (ns)(s * 1e9 + 0.5);
}

/* How long so many bytes take; speed 0: no time. */
static inline ns duration(int64_t bytes, double speed)
{
    return speed > 0 ? (ns)((double)bytes / speed * 1e9 + 0.5) : 0;
}

/* Use something that serves one after the other, from a moment on; returns when that is over. */
static inline ns occupy(ns *free, ns from, ns time)
{
    return *free = (from > *free ? from : *free) + time;
}

/* Add to the end of a list, through a table's `next`. */
#define APPEND(table, w, head, tail, which) \
    do { \
        table##_at(w, (which) - 1)->next = 0; \
        if (tail) \
            table##_at(w, (tail) - 1)->next = (which); \
        else \
            (head) = (which); \
        (tail) = (which); \
    } while (0)

/* Take the first of a list away; 0: there is none. */
#define TAKE(table, w, head, tail) \
    ({ \
        number taken_ = (head); \
        if (taken_ && !((head) = table##_at(w, taken_ - 1)->next)) \
            (tail) = 0; \
        taken_; \
    })

#endif
