#include "tree.h"

/* A number's place in the heap order: any mixing does, and the same one every time. */
static inline uint32_t weight(number range)
{
    uint32_t x = range * 2654435761u;
    x ^= x >> 15;
    return x * 2246822519u;
}

static inline int64_t reach_of(struct world *w, number range)
{
    return range ? range_at(w, range - 1)->reach : -1;
}

static void look_below(struct world *w, number at)
{
    struct range *range = range_at(w, at - 1);
    int64_t left = reach_of(w, range->left), right = reach_of(w, range->right);
    range->reach = range->end;
    if (left > range->reach)
        range->reach = left;
    if (right > range->reach)
        range->reach = right;
}

static inline int comes_before(struct world *w, number a, number b)
{
    const struct range *one = range_at(w, a - 1), *other = range_at(w, b - 1);
    return one->start < other->start || (one->start == other->start && a < b);
}

/* Split by a range that isn't there: those before it, and those after. */
static void split(struct world *w, number at, number by, number *before, number *after)
{
    if (!at) {
        *before = *after = 0;
        return;
    }
    struct range *range = range_at(w, at - 1);
    if (comes_before(w, at, by)) {
        *before = at;
        split(w, range->right, by, &range->right, after);
    } else {
        *after = at;
        split(w, range->left, by, before, &range->left);
    }
    look_below(w, at);
}

static number join(struct world *w, number before, number after)
{
    if (!before || !after)
        return before ? before : after;
    number top = weight(before) > weight(after) ? before : after;
    struct range *range = range_at(w, top - 1);
    if (top == before)
        range->right = join(w, range->right, after);
    else
        range->left = join(w, before, range->left);
    look_below(w, top);
    return top;
}

static inline void reach_to(struct range *range, int64_t end)
{
    if (range->reach < end)
        range->reach = end;
}

void tree_add(struct world *w, number *root, number new)
{
    struct range *range = range_at(w, new - 1);
    uint32_t own = weight(new);
    while (*root && weight(*root) >= own) {
        struct range *top = range_at(w, *root - 1);
        reach_to(top, range->end);
        root = comes_before(w, new, *root) ? &top->left : &top->right;
    }
    split(w, *root, new, &range->left, &range->right);
    *root = new;
    look_below(w, new);
}

/* Those above it reach less far only if they reached just as far as it. */
void tree_remove(struct world *w, number *root, number old)
{
    if (unlikely(!*root))
        return;
    struct range *top = range_at(w, *root - 1);
    if (*root == old)
        *root = join(w, top->left, top->right);
    else {
        int64_t end = range_at(w, old - 1)->end;
        tree_remove(w, comes_before(w, old, *root) ? &top->left : &top->right, old);
        if (top->reach == end)
            look_below(w, *root);
    }
}

/* Where its begin stays and its end doesn't go back, so does its place; others reach further. */
void tree_change(struct world *w, number *root, number which, int64_t start, int64_t end)
{
    struct range *range = range_at(w, which - 1);
    if (start == range->start && end >= range->end) {
        range->end = end;
        for (number at = *root; at != which;) {
            struct range *top = range_at(w, at - 1);
            reach_to(top, end);
            at = comes_before(w, which, at) ? top->left : top->right;
        }
        reach_to(range, end);
        return;
    }
    tree_remove(w, root, which);
    range->start = start;
    range->end = end;
    tree_add(w, root, which);
}

number tree_overlapping(struct world *w, number root, int64_t start, int64_t end,
                        number (*look)(struct world *, number, const void *), const void *about)
{
    if (!root || reach_of(w, root) <= start)
        return 0;
    const struct range *range = range_at(w, root - 1);
    number found = tree_overlapping(w, range->left, start, end, look, about);
    if (found || range->start >= end)
        return found;
    if (range->end > start && (found = look(w, root, about)))
        return found;
    return tree_overlapping(w, range->right, start, end, look, about);
}

static void further(struct world *w, number root, int64_t start, int64_t *best,
                    int (*counts)(const struct range *, const void *), const void *about)
{
    if (!root || reach_of(w, root) <= *best)
        return;
    const struct range *range = range_at(w, root - 1);
    if (range->start < start) {
        further(w, range->right, start, best, counts, about);
        if (range->end <= start && range->end > *best && counts(range, about))
            *best = range->end;
    }
    further(w, range->left, start, best, counts, about);
}

int64_t tree_reach(struct world *w, number root, int64_t start,
                   int (*counts)(const struct range *, const void *), const void *about)
{
    int64_t best = 0;
    further(w, root, start, &best, counts, about);
    return best;
}

int64_t tree_next(struct world *w, number root, int64_t end,
                  int (*counts)(const struct range *, const void *), const void *about)
{
    if (!root)
        return ALL;
    const struct range *range = range_at(w, root - 1);
    if (range->start < end)
        return tree_next(w, range->right, end, counts, about);
    int64_t found = tree_next(w, range->left, end, counts, about);
    if (found != ALL)
        return found;
    return counts(range, about) ? range->start : tree_next(w, range->right, end, counts, about);
}
