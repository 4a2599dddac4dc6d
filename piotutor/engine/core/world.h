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
#define FAR ((ns)1 << 60) /* 36 years: nothing is foreseen from then on, so that sums have room */
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

struct machine {
#define INTEGER(name) int64_t name;
#define NUMBER(name) double name;
#include "machine.def"
#undef INTEGER
#undef NUMBER
};

/* piotutor/trace/record.py has the same; ours are PAUSE, for `offset` ns, and WAIT, until `offset`
 * ns after the beginning. */
enum op {
    OPEN = 1, READ, WRITE, SYNC, CLOSE, REMOVE, TRUNCATE = 8, LOCK, UNLOCK, STAT, BARRIER,
    CREATE = 14, RENAME, PAUSE = 254, WAIT = 255
};
/* Why it can't go on: what follows is worth nothing. */
enum full { GOES_ON, NO_ROOM_LEFT, STOPPED, TOO_FAR };
enum layer { APP = 1, SERVER = 6, DEVICE };

/* ------------------------------------------------------------------------------- its things */

struct operation {
    int64_t offset, length;
    int32_t file;
    uint16_t op, phase; /* phase: kept for the record's aux */
};

struct file {
    int64_t stripe_size, stripe_count;
    int64_t first; /* its first object; the others follow */
    int64_t end;   /* how far it reaches */
    int32_t directory;
    int32_t maker; /* the name + 1 of the rank that made it */
};

/* A lock of a client on a range of an object, from its request on; or bytes that it keeps, from
 * when they are on their way. One line of a processor's cache: there are millions of them. */
enum state { GONE, WAITING, GRANTED, CALLED, GOING, COMING, KEPT };

struct range {
    int64_t start, end;
    int64_t reach; /* the largest end in the tree below it */
    ns since;      /* when it was asked for; then, when it was called back */
    union {
        ns served;      /* when its server comes to the request */
        int64_t wanted; /* where the request begins for which it was called back */
    };
    number left, right, next;
    union {
        number wish;     /* that waits for it */
        number previous; /* of those that are kept */
    };
    int32_t object;
    uint32_t client : 28, alone : 1, state : 3; /* alone: to write */
};

struct object {
    int64_t start; /* where on its target's device it begins */
    int32_t target;
    int32_t first, count; /* of the file's objects */
    int32_t awaited;      /* locks that were called back and aren't yet here */
    int32_t shared;       /* nobody may keep its bytes any more */
    number locks;         /* tree of them, and of the requests */
    number requests;      /* the last of those that wait */
    int64_t ranges, grants, callbacks;
};

/* What a rank reads from front to back. */
struct stream {
    int64_t next;   /* where its next read begins, if it goes on */
    int64_t window; /* bytes behind that which are read ahead */
    int64_t asked;  /* up to where they were */
    int32_t file;   /* its number + 1 */
};

struct rank {
    struct operation doing;
    ns began, busy; /* busy: until then it copies memory */
    int32_t client;
    int32_t name;    /* by which records call it */
    int32_t pending; /* parts of what it does that aren't over */
    int32_t thinks;  /* before its next operation, in virtual time */
    number next;     /* in the list of those that are ready, or at the barrier */
    struct stream stream;
};

struct client {
    ns sent, received; /* when its interface is free again, each way */
    int64_t kept;      /* bytes, for reading */
    number newest;     /* of them, in a ring of which it is the last */
};

struct target {
    ns sent, received; /* the same of its server; only a server's first target has them */
    ns locks;          /* when its server can look at another lock request */
    ns entry;          /* when what passes on to its device can take another request */
    int64_t operations, bytes, objects;
    int64_t held, going;  /* bytes in its memory, and of those that are being written */
    int64_t extents;      /* in which the former lie */
    number waiting;       /* requests, until there is room */
};

struct extent { /* of addresses */
    int64_t begin, end;
};

/* One of those things of a target's device that work at once. */
struct part {
    ns free;      /* when it is done with all it has */
    ns disturbed; /* when others come next; 0: nobody knows yet */
};

/* What a device is like: its parts, bytes of its state and of what it holds (0: it has no
 * addresses), of which all objects' beginnings are multiples, and bytes of what all targets have in
 * common. */
struct shape {
    int64_t parts, bytes, capacity, grain, common;
};

/* Bytes of one object that a client wants moved: first a wish of any size, then cut into requests
 * that travel to the target and back. */
struct rpc {
    int64_t offset, length;
    union {
        int64_t end;   /* where the last of its fragments ends, while they gather */
        number coming; /* what it brings, to be kept */
    };
    int32_t client, object, rank; /* rank NOBODY: written back, no one waits for it */
    uint16_t op, fragments;
    number next;
};

/* What a client knows of an object. */
struct view {
    int32_t flying;
    number stash;   /* request of written bytes that waits for more, to be of a good size */
    number waiting; /* ranks, until nothing is under way */
    number lock;    /* the one that was of use last; 0: there never was one */
    number leaving; /* those called back, until nothing is under way */
    number next;    /* object number + 1, in its lane's list; 0: it isn't there */
    number kept;    /* tree of its bytes that are here or on their way */
};

/* What a client knows of a target. Lists, of which the last is known and comes before the first. */
struct lane {
    int64_t dirty;
    int32_t flying;
    number waiting; /* requests, until another one is back */
    number wishes;  /* that wait for room in the cache */
    number stashes; /* objects with bytes that wait for more */
};

struct event {
    ns time;
    number which;
    uint32_t kind;
};

/* Events side by side: what lies in one bucket is gone through one after the other. */
#define CHUNK 31
struct chunk {
    number next;
    int32_t count;
    struct event event[CHUNK];
};

struct bucket { /* events in the order in which they were foreseen */
    ns least;   /* the earliest of them; without any, it says nothing */
    number first, last;
    int32_t taken; /* of its first chunk */
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
    TABLE(ns, directory) /* when another one may change it */ \
    TABLE(ns, worker)    /* of the metadata server: when it is free again */ \
    TABLE(struct object, object) \
    TABLE(struct rank, rank) \
    TABLE(struct client, client) \
    TABLE(struct target, target) \
    TABLE(struct part, part) /* of each target's device */ \
    TABLE(char, state) \
    TABLE(char, common) /* of the devices of all targets */ \
    TABLE(struct extent, extent) /* of each target, if it has memory */ \
    TABLE(struct view, view) \
    TABLE(struct lane, lane) \
    TABLE(struct rpc, rpc) \
    TABLE(ns, arrived) /* a request at its server, while it waits for its device */ \
    TABLE(struct range, range) \
    TABLE(struct chunk, chunk) \
    TABLE(struct record, record)

struct world {
    struct machine machine;
    ns now;
    int64_t bytes, files, objects, ranks;
    int64_t records, record_room, dropped, happened;
    struct shape device; /* of each target */
    ns last_time; /* of the event before; the buckets are by what differs from it */
    uint64_t filled; /* a bit for each bucket with events */
    struct bucket bucket[64];
    number free_chunk, chunks, chunk_room;
    number free_rpc, rpcs, rpc_room;
    number free_range, ranges, range_room, kept; /* kept: those that aren't locks */
    int64_t grants, callbacks;
    number ready;             /* the last rank that is done with an operation, and at once */
    number arrived;           /* ranks at the barrier */
    int64_t missing;          /* those that aren't there yet */
    int32_t layers;           /* which of them make records: a bit for each */
    volatile int32_t full;    /* enum full; also told from outside, meanwhile */
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

static inline ns at_most_far(double time)
{
    return likely(time < (double)FAR) ? (ns)time : FAR;
}

static inline ns seconds(double s)
{
    return at_most_far(s * 1e9 + 0.5);
}

/* How long so many bytes take; speed 0: no time. */
static inline ns duration(int64_t bytes, double speed)
{
    return speed > 0 ? at_most_far((double)bytes / speed * 1e9 + 0.5) : 0;
}

/* Use something that serves one after the other, from a moment on; returns when that is over. */
static inline ns occupy(ns *free, ns from, ns time)
{
    ns end = (from > *free ? from : *free) + time;
    return *free = likely(end < FAR) ? end : FAR;
}

/* A list is a ring, through a table's `next`: its last is known, behind which comes its first. */
#define LIST(name) \
    static inline void name##_append(struct world *w, number *last, number which) \
    { \
        number *next = &name##_at(w, which - 1)->next; \
        number *before = *last ? &name##_at(w, *last - 1)->next : NULL; \
        *next = before ? *before : which; \
        if (before) \
            *before = which; \
        *last = which; \
    } \
    static inline number name##_first(struct world *w, number last) \
    { \
        return last ? name##_at(w, last - 1)->next : 0; \
    } \
    static inline number name##_take(struct world *w, number *last) \
    { \
        number first = name##_first(w, *last); \
        if (first == *last) \
            *last = 0; \
        else \
            name##_at(w, *last - 1)->next = name##_at(w, first - 1)->next; \
        return first; \
    }
LIST(rank)
LIST(rpc)
LIST(range)
#undef LIST

#endif
