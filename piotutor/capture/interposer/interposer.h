/* What the wrappers share: the record, the call, the trace of this process, names, descriptors.
 *
 * A wrapper has one seam: it calls the real function once, through `real_NAME`, and tells what it
 * saw before and after. Nothing here changes a result, an errno or a file of the program. What a
 * wrapper runs for each transfer takes no lock and no memory, so it is safe in threads and signal
 * handlers; what needs a lock (a new file name, the next chunk of records) is given up, and counted
 * as dropped, when a signal handler meets it half done.
 */
#ifndef PIOTUTOR_INTERPOSER_H
#define PIOTUTOR_INTERPOSER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#undef _FORTIFY_SOURCE /* its inline open, read, ... would stand where ours are defined */

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "calls.h"

#ifndef __GLIBC__
#error "the interposer knows the names of glibc only"
#endif
_Static_assert(sizeof(off_t) == 8 && sizeof(void *) == 8, "64-bit systems only");

#define EXPORT __attribute__((visibility("default")))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* ------------------------------------------------------------------ the record of all layers */

typedef struct {
    int64_t start, end, offset, length, result;
    int32_t rank, client, thread, file, target, parent;
    _Atomic uint64_t tail; /* layer, op and flags, stored last: then the record is whole */
    uint64_t aux;
} record;
_Static_assert(sizeof(record) == 80, "the record of piotutor/trace/record.py");

enum layer { LAYER_HDF5 = 2, LAYER_MPIIO, LAYER_POSIX };

enum op {
    OP_OPEN = 1, OP_READ, OP_WRITE, OP_SYNC, OP_CLOSE, OP_REMOVE, OP_SEEK, OP_TRUNCATE, OP_LOCK,
    OP_UNLOCK, OP_STAT, OP_BARRIER, OP_CREATE = 14, OP_RENAME, OP_ALLOCATE, OP_SET_VIEW, OP_SET_INFO, OP_META
};

enum flag {
    FLAG_COLLECTIVE = 1, FLAG_PART = 2, FLAG_FAILED = 4, FLAG_DIRECT = 8, FLAG_SHORT = 16,
    FLAG_NONBLOCKING = 64
};

/* ------------------------------------------------------------------------------ this thread */

struct thread {
    int32_t number; /* in this process, from 1; 0: none yet */
    int32_t outer;  /* record that the next one lies in, from 1; 0: none */
    int locked;     /* it holds our lock: a signal handler must not wait for it */
    int quiet;      /* what it does now is our own doing: nothing is recorded */
};
extern __thread struct thread me;

/* ------------------------------------------------------------------------------- one call */

struct call {
    int64_t start, end;
    record *record;      /* NULL: claimed at the end */
    int32_t index, outer; /* of the record, and of the call around it */
    int error;           /* errno as the real call left it */
};

/* What is known of a call once it is over; FLAG_SHORT of transfers is found out. */
struct what {
    enum layer layer;
    enum op op;
    int call; /* CALL_... */
    unsigned flags;
    int32_t file;
    int64_t offset, length, result;
    uint64_t aux;
};

/* A call with none of ours inside: call_begin, the real call, call_stop, call_end.
 * A call that others may lie in: call_enter in place of call_begin; then it is their parent. */
struct call call_enter(void);
void call_end(struct call *call, const struct what *what); /* restores errno */

/* One extent of a call on a strided view, before its call_end; and `n` that aren't told. */
void call_part(const struct call *call, const struct what *what);
void call_drop(int64_t n);

static inline int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static inline struct call call_begin(void)
{
    return (struct call){.outer = me.outer, .start = now()};
}

static inline void call_stop(struct call *call)
{
    call->end = now();
    call->error = errno;
}

/* ----------------------------------------------------------------------------- this process */

#define CHUNK 8192 /* records reserved at a time */

/* Lies in memory that a child by fork finds zeroed, however it was made: it begins its own. */
struct process {
    alignas(64) _Atomic uint64_t claimed; /* records that calls asked for */
    alignas(64) _Atomic uint64_t room;    /* records in the chunks so far */
    struct header *header;                /* of the trace file; NULL until the first record */
    int32_t named;                        /* file names that it holds */
    int ended;                            /* no more room can be had */
    _Atomic int lock, threads;
    pid_t pid;
    char path[4096]; /* of the trace file */
    _Atomic(record *) chunks[];
};
extern struct process *process; /* NULL: nothing is to be recorded */
extern _Atomic uint32_t process_forks;

void process_start(void);  /* reads the environment; by the constructor, or at a call before it */
int process_is_ours(void); /* no: a child by vfork, which borrows our memory */
static inline int recording(void)
{
    if (unlikely(!process))
        process_start();
    return process != NULL;
}

/* Whether a file that is opened now, or named, may be one to record. */
static inline int noticing(void)
{
    return recording() && !me.quiet && process_is_ours();
}

int lock(void);            /* 0: a signal handler interrupted who holds it */
void unlock(void);

struct settings {
    const char *directory, *prefixes, *skip, *scratch;
    int64_t bytes;
    int32_t rank, client;
};
extern struct settings settings;
int32_t own_rank(void); /* as its launcher says; 0: nobody does */

/* -------------------------------------------------------------------------------- the trace */

record *trace_claim(int32_t *index); /* NULL: there is no room, which is counted */
void trace_drop(int64_t n);
void trace_finish(void); /* the exact count, and no more records */
void trace_forget(void); /* after an exec that failed: the next record begins another file */
void trace_write_names(void); /* those that the file hasn't; with the lock held */

/* -------------------------------------------------------------------------------- file names */

#define PATH_BYTES 4096

/* Index of the name of a file whose calls are recorded, or -1. */
int32_t file_of_interest(const char *path);

int absolute_path(int directory, const char *path, char out[PATH_BYTES]); /* 0: it can't be told */
int path_wanted(const char *absolute);
int32_t name_of(const char *absolute);      /* its index, a new one if need be; -1: no lock */
const char *name_at(int32_t index);         /* NULL beyond the last */
const char *keep_text(const char *text);    /* a copy that is never freed; NULL: no memory */

/* --------------------------------------------------------------------------- real functions */

/* The next definition of a function behind ours, wherever its library was loaded; or NULL. The one
 * that `caller` would have met without us goes first: two HDF5s can be loaded in one process. */
void *real(const char *name);
void *real_near(const char *name, const void *caller);

/* REAL(int, close, (int)) declares `real_close()`, the function that our close stands before. Each
 * is found by a constructor, so that none is looked for in a signal handler; a call before that
 * finds its own. */
#define REAL(type, name, parameters) \
    static type(*found_##name) parameters; \
    static inline type(*real_##name(void)) parameters \
    { \
        if (unlikely(!found_##name)) \
            *(void **)&found_##name = real(#name); \
        return found_##name; \
    } \
    __attribute__((constructor)) static void find_##name(void) \
    { \
        real_##name(); \
    }

#endif
