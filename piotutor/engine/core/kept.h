/* What a client keeps of objects for reading: bytes that were read or written there. */
#ifndef PIOTUTOR_ENGINE_KEPT_H
#define PIOTUTOR_ENGINE_KEPT_H

#include "world.h"

int keeps(struct world *w, const struct rpc *wish); /* whether its bytes may be kept */

/* Read what is kept, wait for what is on its way, and ask for the rest; without a rank, that only. */
void read_kept(struct world *w, struct rpc wish);
void has_come(struct world *w, const struct rpc *rpc);
void keep_written(struct world *w, const struct rpc *wish);
void drop_kept(struct world *w, int32_t client, int32_t object, int64_t start, int64_t end);

#endif
