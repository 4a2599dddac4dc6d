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
#include "events.h"
#include "shared.h"
#include "work.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATIENCE 5000000 /* ns that a driver may be late, and others sleep */

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
        broken(s, w->full == TOO_FAR ? TOO_LATE : NO_ROOM);
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
    s->missed += a->file < 0; /* of a descriptor that nobody follows */
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
#else
typedef int nothing_here;
#endif
