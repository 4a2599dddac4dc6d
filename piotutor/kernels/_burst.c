/* The loop of `piotutor.kernels.traced.Stream` in C: many plain transfers, each with its record.
 *
 * Built where there is a compiler, and called through ctypes (no Python.h); without it the loop in
 * Python does the same. The caller has filled the records but for start, end and the word at byte
 * 64, which is stored last. MPI's functions and handles come as addresses (no mpi.h): one binary
 * serves every MPI whose offsets have 64 bits.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    int64_t start, end, offset, length, result;
    int32_t rank, client, thread, file, target, parent;
    uint64_t tail, aux;
} record;

typedef struct {
    int64_t count, size, buffer_count;
    const int64_t *offsets;
    void **buffers;
    record *records;
    uint64_t tail;
} work;

/* Threads that share the reads of a phase: each takes the next one, once all are there. */
typedef struct {
    _Atomic int64_t next, arrived;
    int64_t threads;
} turns;

typedef int mpi_at(void *file, int64_t offset, void *buffer, int count, intptr_t type, void *status);

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void *buffer_of(const work *w, int64_t k)
{
    return w->buffers[k % w->buffer_count];
}

static void times(record *r, int64_t start)
{
    r->end = now();
    r->start = start;
}

static void wait_for_all(turns *t)
{
    struct timespec soon = {0, 50000};
    for (t->arrived++; t->arrived < t->threads;)
        nanosleep(&soon, NULL);
}

/* Publish the record of a system call that moved all it was asked for; any other has its result. */
static inline int is_whole(const work *w, record *r, ssize_t got)
{
    if (got != w->size) {
        r->result = got < 0 ? -errno : got;
        return 0;
    }
    __atomic_store_n(&r->tail, w->tail, __ATOMIC_RELEASE);
    return 1;
}

/* They return how many transfers were whole. The next one, if any, has its times and, as its
 * result, the bytes that were moved or a negated error number; it isn't published. */

int64_t piotutor_posix(const work *w, int fd, int writes)
{
    for (int64_t k = 0; k < w->count; k++) {
        record *r = w->records + k;
        void *buffer = buffer_of(w, k);
        int64_t start = now();
        ssize_t got = writes ? pwrite(fd, buffer, w->size, w->offsets[k])
                             : pread(fd, buffer, w->size, w->offsets[k]);
        times(r, start);
        if (!is_whole(w, r, got))
            return k;
    }
    return w->count;
}

/* One thread of several; of a transfer that wasn't whole it returns the number. */
int64_t piotutor_posix_turns(const work *w, int fd, turns *t, int32_t thread)
{
    wait_for_all(t);
    for (int64_t k; (k = t->next++) < w->count;) {
        record *r = w->records + k;
        r->thread = thread;
        int64_t start = now();
        ssize_t got = pread(fd, buffer_of(w, 0), w->size, w->offsets[k]);
        times(r, start);
        if (!is_whole(w, r, got))
            return k;
    }
    return w->count;
}

int64_t piotutor_mpi(const work *w, mpi_at *move, void *file, intptr_t byte, void *status)
{
    for (int64_t k = 0; k < w->count; k++) {
        record *r = w->records + k;
        void *buffer = buffer_of(w, k);
        int64_t start = now();
        int error = move(file, w->offsets[k], buffer, (int)w->size, byte, status);
        times(r, start);
        if (error) {
            r->result = -(int64_t)error;
            return k;
        }
        __atomic_store_n(&r->tail, w->tail, __ATOMIC_RELEASE);
    }
    return w->count;
}
