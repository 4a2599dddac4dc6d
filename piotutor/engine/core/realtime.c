/* Real time: the world is in shared memory, and its clock is the machine's. A real call enters at
 * the moment at which it began, or as soon after as what has already happened allows; its process
 * sleeps until the world says that it is over.
 *
 * One of those who wait, the driver, looks at the world when its next event is due; the others
 * sleep until their operation is over, and look now and then whether the driver is still there.
 * Nothing is held while one sleeps, so a process may die there; one that dies with the lock leaves
 * a world that nobody can trust: from then on nobody is delayed. */
#ifdef __linux__
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "realtime.h"

#include "events.h"
#include "work.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 5000000 /* ns that a driver may be late, and others sleep */
#define TOO_LONG 5       /* seconds that someone may have the lock */

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

static struct seat *seat_at(struct shared *s, int64_t i)
{
    return (struct seat *)((char *)s + s->seat) + i;
}

static struct known *known_at(struct shared *s, int64_t i)
{
    return (struct known *)((char *)s + s->known) + i;
}

static struct world *world_of(struct shared *s)
{
    return (struct world *)((char *)s + s->world);
}

static ns clock_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* ---------------------------------------------------------------------------------- making it */

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
    w->now = w->last_time = clock_now();
    return error;
}

/* ----------------------------------------------------------------------------------- the lock */

static int broken(struct shared *s, enum trouble why)
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

/* 0: the world is broken, or a signal handler met its own thread here. */
static int take(struct shared *s)
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

static void give(struct shared *s)
{
    pthread_mutex_unlock(&s->lock);
}

/* ---------------------------------------------------------------------------------- the clock */

static void wake(struct seat *seat)
{
    syscall(SYS_futex, &seat->state, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static void finish_ready(struct shared *s)
{
    struct world *w = world_of(s);
    number ready;
    while ((ready = rank_take(w, &w->ready))) {
        struct seat *seat = seat_at(s, ready - 1);
        seat->over = w->now;
        seat->state = FINISHED;
        wake(seat);
    }
}

static void advance(struct shared *s, ns until)
{
    struct world *w = world_of(s);
    while (w->filled && !w->full && next_time(w) <= until) {
        happen(w, next_event(w));
        finish_ready(s);
    }
    if (w->full)
        broken(s, NO_ROOM);
}

/* ---------------------------------------------------------------------------------- the files */

static int32_t find_file(const struct shared *s, const struct known *all, uint64_t device,
                         uint64_t inode)
{
    for (int64_t i = s->files; i--;)
        if (all[i].inode == inode && all[i].device == device)
            return (int32_t)i;
    return -1;
}

static uint64_t directory_of(const char *name)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (const char *end = strrchr(name, '/'); end && name < end; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    return hash;
}

/* A directory has the number of the first file in it. */
static int32_t find_directory(struct shared *s, uint64_t directory)
{
    int32_t i = 0;
    while (i < s->files && known_at(s, i)->directory != directory)
        i++;
    return i;
}

static void put_name(struct known *known, const char *name)
{
    size_t length = strlen(name);
    memset(known->name, 0, NAME_BYTES);
    strncpy(known->name, name + (length < NAME_BYTES ? 0 : length - NAME_BYTES + 1),
            NAME_BYTES - 1);
}

/* Objects of one file after the other are put on the targets in turn. */
static int32_t add_file(struct shared *s, uint64_t device, uint64_t inode, const char *name)
{
    struct world *w = world_of(s);
    int64_t which = s->files, count = s->plan.stripe_count;
    if (which == w->files)
        return -1;
    int32_t targets[count];
    for (int64_t i = 0; i < count; i++)
        targets[i] = (int32_t)((which * count + i) % w->machine.targets);
    engine_add_file(w, which, which * count, s->plan.stripe_size, count, targets);
    struct known *known = known_at(s, which);
    *known = (struct known){.device = device, .inode = inode, .directory = directory_of(name)};
    engine_put_file(w, which, find_directory(s, known->directory));
    put_name(known, name);
    return (int32_t)s->files++;
}

EXPORT int32_t engine_file(struct shared *s, uint64_t device, uint64_t inode, int64_t size,
                           const char *name)
{
    if (s->broken || !take(s))
        return -1;
    int32_t found = find_file(s, known_at(s, 0), device, inode);
    if (found < 0)
        found = add_file(s, device, inode, name);
    if (found >= 0)
        file_at(world_of(s), found)->end = size;
    give(s);
    s->missed += found < 0;
    return found;
}

EXPORT void engine_forget(struct shared *s, uint64_t device, uint64_t inode)
{
    if (s->broken || !take(s))
        return;
    int32_t found = find_file(s, known_at(s, 0), device, inode);
    if (found >= 0)
        known_at(s, found)->inode = 0;
    give(s);
}

/* A directory that no file was opened in has no number: then it stays in its old one. */
EXPORT void engine_rename(struct shared *s, int32_t file, const char *name)
{
    if (s->broken || file < 0 || file >= s->files || !take(s))
        return;
    int32_t directory = find_directory(s, directory_of(name));
    if (directory < s->files)
        engine_put_file(world_of(s), file, directory);
    put_name(known_at(s, file), name);
    give(s);
}

EXPORT void engine_pass(struct shared *s, int32_t file, int32_t what)
{
    if (s->broken || file < 0 || file >= s->files || !take(s))
        return;
    known_at(s, file)->passed[what]++;
    give(s);
}

/* ------------------------------------------------------------------------------------ a call */

static int is_free(const struct seat *seat)
{
    return seat->state == FREE
           || (seat->state == FINISHED && kill(seat->pid, 0) && errno == ESRCH);
}

/* A rank's own seat; a second thread or process of it takes any. */
static int64_t sit_down(struct shared *s, int32_t rank)
{
    int64_t i = rank;
    if (i >= s->seats || !is_free(seat_at(s, i)))
        for (i = s->seats; i-- && !is_free(seat_at(s, i));)
            ;
    return i;
}

/* What has happened can't be changed: where that is later than the call began, it enters just after
 * that, at a moment of its own. So there is one order only in which it can all have happened. */
static void go_to(struct shared *s, ns start)
{
    struct world *w = world_of(s);
    advance(s, start);
    while (w->now >= start && !s->broken) {
        start = w->now + 1;
        advance(s, start);
    }
    w->now = start;
}

static int64_t enter(struct shared *s, const struct arrival *a)
{
    struct world *w = world_of(s);
    int64_t place = sit_down(s, a->rank);
    if (place < 0)
        return place;
    *seat_at(s, place) = (struct seat){.state = BUSY, .pid = getpid()};
    go_to(s, a->start);
    struct rank *rank = rank_at(w, place);
    rank->name = a->rank;
    rank->client = (int32_t)(a->rank / s->plan.ranks_per_client % w->machine.clients);
    if (a->offset + a->length > known_at(s, a->file)->end)
        known_at(s, a->file)->end = a->offset + a->length;
    begin(w, (int32_t)place, (struct operation){.offset = a->offset, .length = a->length,
                                                .file = a->file, .op = (uint16_t)a->op});
    finish_ready(s);
    s->calls++;
    return place;
}

/* When to look again: the driver at the next event, the others at how the driver does. */
static ns next_look(struct shared *s, number me, ns now)
{
    ns next = next_time(world_of(s));
    if (next == NEVER)
        broken(s, NO_END);
    if (s->driver && s->driver != me && next >= s->until && now <= s->until + PATIENCE)
        return now + PATIENCE;
    s->driver = me;
    s->until = next;
    return next;
}

static void leave_driving(struct shared *s, number me)
{
    if (s->driver != me)
        return;
    s->driver = 0;
    for (int64_t i = 0; i < s->seats; i++)
        if (seat_at(s, i)->state == BUSY) {
            wake(seat_at(s, i));
            return;
        }
}

/* The kernel may make sleeps 50 us longer than asked for, unless told otherwise. */
static void sleep_until(struct seat *seat, ns when)
{
    static __thread int exact;
    if (!exact++)
        prctl(PR_SET_TIMERSLACK, 1UL);
    struct timespec t = {when / 1000000000, when % 1000000000};
    syscall(SYS_futex, &seat->state, FUTEX_WAIT_BITSET, BUSY, &t, NULL, FUTEX_BITSET_MATCH_ANY);
}

/* With the lock, which it still has at the end unless the world is broken. */
static int wait_for_end(struct shared *s, int64_t place)
{
    struct seat *seat = seat_at(s, place);
    for (;;) {
        ns now = clock_now();
        advance(s, now);
        if (seat->state == FINISHED)
            return 1;
        ns next = next_look(s, (number)place + 1, now);
        give(s);
        if (!s->broken)
            sleep_until(seat, next);
        if (!take(s))
            return 0;
    }
}

EXPORT void engine_call(struct shared *s, const struct arrival *a)
{
    ns real = clock_now() - a->start;
    if (a->file < 0 || a->file >= s->files || s->broken || !take(s))
        return;
    int64_t place = enter(s, a);
    if (place < 0 || !wait_for_end(s, place)) {
        s->missed++;
        if (place < 0)
            give(s);
        return;
    }
    struct seat *seat = seat_at(s, place);
    ns emulated = seat->over - rank_at(world_of(s), place)->began;
    seat->state = FREE;
    leave_driving(s, (number)place + 1);
    give(s);
    s->real += real;
    s->spent += clock_now() - a->start;
    s->emulated += emulated;
}

/* ------------------------------------------------------------------------------- who looks on */

EXPORT int64_t engine_collect(struct shared *s, ns until, struct record *records, int64_t room)
{
    struct world *w = world_of(s);
    int sound = take(s);
    if (sound)
        advance(s, until);
    int64_t some = w->records < room ? w->records : room;
    memcpy(records, record_at(w, 0), (size_t)some * sizeof *records);
    w->dropped += w->records - some;
    w->records = 0;
    if (sound)
        give(s);
    return some;
}

EXPORT void engine_tell(struct shared *s, struct told *told)
{
    const struct world *w = world_of(s);
    *told = (struct told){s->broken, s->files, s->calls, s->missed, s->real, s->spent, s->emulated,
                          w->grants, w->callbacks, w->dropped};
}

EXPORT const struct known *engine_known(struct shared *s, int64_t which)
{
    return known_at(s, which);
}
#else
typedef int nothing_here;
#endif
