/* Requests between clients and targets. */
#ifndef PIOTUTOR_ENGINE_REQUESTS_H
#define PIOTUTOR_ENGINE_REQUESTS_H

#include "events.h"
#include "world.h"

/* A new wish; 0: there is no more room, and the world is full. */
number new_rpc(struct world *w, struct rpc what);
void forget_rpc(struct world *w, number r);

void send_rpc(struct world *w, number r); /* at once, or when another one of its lane is back */
void rpc_arrives(struct world *w, number r);
void rpc_is_admitted(struct world *w, number r);
void rpc_is_stored(struct world *w, number r, ns done);
void rpc_leaves(struct world *w, number r);
void rpc_is_back(struct world *w, number r);
void rpc_is_over(struct world *w, number r);

#endif
