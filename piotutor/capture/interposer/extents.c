/* Extents as PART records. */
#include "extents.h"

#define MAX_PARTS 4096 /* of one call; those beyond are counted as dropped */

struct extents extents_begin(const struct call *call, const struct what *what, int64_t moved)
{
    return (struct extents){.call = call, .what = what, .moved = moved, .first = -1};
}

static void tell(struct extents *all)
{
    struct what part = *all->what;
    part.offset = all->offset;
    part.length = all->length;
    part.result = all->length < all->moved ? all->length : all->moved;
    part.aux = 0;
    all->moved -= part.result;
    if (all->told++ < MAX_PARTS)
        call_part(all->call, &part);
}

void extents_add(struct extents *all, int64_t offset, int64_t length)
{
    if (all->first < 0)
        all->first = all->offset = offset;
    else if (offset != all->offset + all->length) {
        tell(all);
        all->offset = offset;
        all->length = 0;
    }
    all->length += length;
}

void extents_end(struct extents *all)
{
    if (all->told)
        tell(all);
    if (all->told > MAX_PARTS)
        call_drop(all->told - MAX_PARTS);
}
