/* Locks on ranges of objects, held by clients. */
#ifndef PIOTUTOR_ENGINE_LOCKS_H
#define PIOTUTOR_ENGINE_LOCKS_H

#include "world.h"

enum protocol { NO_LOCKS, EXTENTS, WHOLE_FILE, TOKENS };

int is_locked(struct world *w, const struct rpc *wish); /* by its client, as it needs it */
int is_shared(struct world *w, const struct rpc *wish); /* nobody may keep its bytes */
int64_t locked_until(struct world *w, const struct rpc *wish); /* 0: not even its beginning is */
void ask_lock(struct world *w, number wish);

void request_arrives(struct world *w, number range);
void lock_is_granted(struct world *w, number range);
void callback_arrives(struct world *w, number range);
void release_arrives(struct world *w, number range);

void give_back(struct world *w, int32_t client, int32_t object); /* when nothing is under way */

number new_range(struct world *w, struct range what); /* 0: there is no more room */
void forget_range(struct world *w, number range);

#endif
