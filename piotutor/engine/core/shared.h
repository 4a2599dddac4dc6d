/* What processes share: a world, its clock and lock, the files they use, and a seat for each call. */
#ifndef PIOTUTOR_ENGINE_SHARED_H
#define PIOTUTOR_ENGINE_SHARED_H

#include "realtime.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>

enum seat_state { FREE, BUSY, FINISHED };

/* Where one process has one operation at a time: a rank of the world. */
struct seat {
    _Atomic uint32_t state; /* a futex */
    pid_t pid;
    ns over;
};

struct shared {
    pthread_mutex_t lock;
    _Atomic int32_t broken;
    number driver; /* its seat, from 1; 0: nobody */
    ns until;      /* when it will look */
    struct plan plan;
    int64_t seats, files;
    int64_t calls;
    _Atomic int64_t missed, real, spent, emulated;
    int64_t seat, known, world; /* where they lie, in bytes from here */
};

static inline struct seat *seat_at(struct shared *s, int64_t i)
{
    return (struct seat *)((char *)s + s->seat) + i;
}

static inline struct known *known_at(struct shared *s, int64_t i)
{
    return (struct known *)((char *)s + s->known) + i;
}

static inline struct world *world_of(struct shared *s)
{
    return (struct world *)((char *)s + s->world);
}

static inline ns clock_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int broken(struct shared *s, enum trouble why); /* nobody is delayed any more; 0 */
int take(struct shared *s); /* 0: it is broken, or a signal handler met its own thread here */
void give(struct shared *s);

#endif
