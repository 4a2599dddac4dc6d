/* The memory that processes share, and its lock. Who dies with the lock leaves a world that nobody
 * can trust: from then on nobody is delayed. */
#ifdef __linux__
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "shared.h"

#include "device.h"
#include "fence.h"

#include <errno.h>
#include <pthread.h>

#define TOO_LONG 5 /* seconds that someone may have the lock */

static int64_t rounded(int64_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static int64_t lay_out(struct shared *s, const struct size *size)
{
    s->seat = rounded(sizeof *s);
    s->known = s->seat + rounded(size->ranks * (int64_t)sizeof(struct seat));
    return s->world = s->known + rounded(size->files * (int64_t)sizeof(struct known));
}

EXPORT int64_t engine_shared_bytes(const struct machine *machine, const struct size *size)
{
    struct shared s;
    return lay_out(&s, size) + engine_bytes(machine, size);
}

EXPORT int engine_share(void *memory, const struct machine *machine, const struct size *size,
                        const struct plan *plan)
{
    struct shared *s = memory;
    pthread_mutexattr_t kind;
    NO_FENCES(memory, engine_shared_bytes(machine, size));
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK); /* a signal handler may come in */
    int error = pthread_mutex_init(&s->lock, &kind);
    pthread_mutexattr_destroy(&kind);
    lay_out(s, size);
    s->plan = *plan;
    s->seats = size->ranks;
    struct world *w = engine_make(world_of(s), machine, size,
                                  1 << APP | 1 << SERVER | 1 << DEVICE, NULL);
    complete_devices(w);
    w->now = w->last_time = clock_now();
    return error;
}

/* ----------------------------------------------------------------------------------- the lock */

int broken(struct shared *s, enum trouble why)
{
    int32_t sound = SOUND;
    atomic_compare_exchange_strong(&s->broken, &sound, (int32_t)why);
    return 0;
}

static int slow_lock(struct shared *s)
{
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += TOO_LONG;
    return pthread_mutex_timedlock(&s->lock, &limit);
}

int take(struct shared *s)
{
    int error = pthread_mutex_trylock(&s->lock);
    if (error == EBUSY)
        error = slow_lock(s);
    if (error == EOWNERDEAD) {
        broken(s, HOLDER_DIED);
        pthread_mutex_consistent(&s->lock);
    }
    if (error == ETIMEDOUT)
        broken(s, HELD_TOO_LONG);
    if ((!error || error == EOWNERDEAD) && s->broken)
        pthread_mutex_unlock(&s->lock);
    return !error && !s->broken;
}

void give(struct shared *s)
{
    pthread_mutex_unlock(&s->lock);
}
#else
typedef int nothing_here;
#endif
