/* What is going to happen, in order of time; at one time, in the order in which it was foreseen. */
#ifndef PIOTUTOR_ENGINE_EVENTS_H
#define PIOTUTOR_ENGINE_EVENTS_H

#include "world.h"

/* Up to OVER they are about requests, from LOCK_ASKED on about locks. */
enum kind {
    ARRIVE, STORE, LEAVE, BACK, OVER, DONE, THOUGHT, METADATA, WRITTEN, LOCK_ASKED, LOCK_GRANTED, CALLBACK,
    RELEASE, KINDS
};

void foresee(struct world *w, ns when, enum kind kind, number which);
ns next_time(struct world *w);            /* NEVER: there is none */
struct event next_event(struct world *w); /* there must be one */
void happen(struct world *w, struct event event);

#endif
