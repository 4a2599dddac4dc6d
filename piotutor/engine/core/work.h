/* What ranks do: operations, in parts. */
#ifndef PIOTUTOR_ENGINE_WORK_H
#define PIOTUTOR_ENGINE_WORK_H

#include "world.h"

void begin(struct world *w, int32_t rank, struct operation what); /* the rank must be idle */
void part_is_over(struct world *w, int32_t rank);
void operation_is_over(struct world *w, int32_t rank);
void wish_is_locked(struct world *w, number wish);

/* Call `act` with what an operation wants of each object. */
void for_each_object(struct world *w, int32_t rank, struct operation what,
                     void (*act)(struct world *, struct rpc));

struct record *new_record(struct world *w, enum layer layer); /* NULL: none is wanted */
void tell(struct world *w, enum layer layer, const struct rpc *rpc, ns start, ns end);

#endif
