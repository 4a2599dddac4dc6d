/* Ranges of one object, in order of their begin: a treap (Seidel and Aragon 1996) in which each
 * knows how far the ranges below it reach. */
#ifndef PIOTUTOR_ENGINE_TREE_H
#define PIOTUTOR_ENGINE_TREE_H

#include "world.h"

void tree_add(struct world *w, number *root, number range);
void tree_remove(struct world *w, number *root, number range);
void tree_change(struct world *w, number *root, number range, int64_t start, int64_t end);

/* Calls `look` for each range that overlaps, in order, until it returns other than 0; that. */
number tree_overlapping(struct world *w, number root, int64_t start, int64_t end,
                        number (*look)(struct world *, number range, const void *about),
                        const void *about);

/* The nearest ranges beside one: `reach` the largest end not above `start`, `next` the smallest
 * begin not below `end`, of those that `counts` says. */
int64_t tree_reach(struct world *w, number root, int64_t start,
                   int (*counts)(const struct range *, const void *), const void *about);
int64_t tree_next(struct world *w, number root, int64_t end,
                  int (*counts)(const struct range *, const void *), const void *about);

#endif
