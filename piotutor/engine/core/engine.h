/* What the engine offers to Python and to the interposer. */
#ifndef PIOTUTOR_ENGINE_H
#define PIOTUTOR_ENGINE_H

#include "world.h"

#define EXPORT __attribute__((visibility("default")))

struct size { /* what a world is to hold */
    int64_t files, objects, ranks, rpcs, ranges, events, records;
};

struct states { /* of a world's devices, in bytes from it: each one's, then what they share */
    int64_t begin, common, end;
};

/* Bytes that a world takes, and where the states of its devices are among them. */
EXPORT int64_t engine_bytes(const struct machine *machine, const struct size *size);
EXPORT void engine_states(const struct machine *machine, const struct size *size,
                          struct states *states);

/* Make a world in zeroed memory; `common`: what its devices have in common, of another world with
 * the same ones; NULL: it makes that itself. */
EXPORT struct world *engine_make(void *memory, const struct machine *machine,
                                 const struct size *size, int32_t layers, const void *common);

EXPORT void engine_add_file(struct world *w, int64_t which, int64_t first, int64_t stripe_size,
                            int64_t stripe_count, const int32_t *targets);
EXPORT void engine_put_file(struct world *w, int64_t which, int32_t directory); /* else: in 0 */
EXPORT void engine_extend_file(struct world *w, int64_t which, int64_t end); /* if it's shorter */
EXPORT void engine_add_rank(struct world *w, int64_t which, int32_t client);

/* Run every rank's operations, from `next[rank]` to before `end[rank]`; returns enum full. */
EXPORT int engine_run(struct world *w, const struct operation *todo, int64_t *next,
                      const int64_t *end);

/* From another thread: let what goes on in a world come to its end at once. */
EXPORT void engine_stop(struct world *w);

struct counts {
    int64_t now, records, dropped, happened, grants, callbacks;
};
EXPORT void engine_counts(const struct world *w, struct counts *counts);
EXPORT int64_t engine_records(const struct world *w); /* where they lie, in bytes from the world */

/* The parameters of a machine by name, separated by spaces, as this library was built. */
EXPORT const char *engine_parameters(void);

#endif
