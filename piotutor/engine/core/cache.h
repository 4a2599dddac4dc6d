/* A client's cache of written bytes, with a limit for each target. */
#ifndef PIOTUTOR_ENGINE_CACHE_H
#define PIOTUTOR_ENGINE_CACHE_H

#include "world.h"

void keep(struct world *w, number wish);  /* bytes that a rank writes; its part is over with that */
void flush(struct world *w, int32_t client, int32_t object);
void written_back(struct world *w, const struct rpc *rpc);

/* Have a rank wait until nothing of an object is under way; 0: nothing is. */
int wait_for_object(struct world *w, int32_t rank, int32_t client, int32_t object);
void one_fewer_flying(struct world *w, int32_t client, int32_t object);

#endif
