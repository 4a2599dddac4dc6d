#include "flash.h"

#define TABLE(name) \
    static inline uint32_t *name##_at(struct flash *f, int64_t i) \
    { \
        return (uint32_t *)((char *)f + f->at.name) + i; \
    }
TABLE(place)  /* of each page of the user: where it is now */
TABLE(page)   /* of each place: whose page it holds */
TABLE(live)   /* of each block: places that hold what is still wanted */
TABLE(next)   /* of each block: in the list of those with as many live pages */
TABLE(before)
TABLE(first)  /* of each number of live pages: the first full block that has it */
#undef TABLE

#define NONE UINT32_MAX
#define AT_ONCE 32 /* places of a block that is collected */

static int64_t lay_out(struct flash *f)
{
    int64_t places = f->pages_per_block * f->blocks;
    int64_t count[] = {f->user_pages, places, f->blocks, f->blocks, f->blocks,
                       f->pages_per_block + 2};
    int64_t *at[] = {&f->at.place, &f->at.page, &f->at.live, &f->at.next, &f->at.before,
                     &f->at.first};
    int64_t used = (sizeof *f + 63) / 64 * 64;
    for (int i = 0; i < 6; i++) {
        *at[i] = used;
        used += (count[i] * 4 + 63) / 64 * 64;
    }
    return used;
}

int64_t flash_bytes(int64_t pages_per_block, int64_t blocks, int64_t user_pages)
{
    struct flash f = {.pages_per_block = pages_per_block, .blocks = blocks,
                      .user_pages = user_pages};
    return lay_out(&f);
}

/* ------------------------------------------------------ full blocks, by their live pages */

static void list_block(struct flash *f, uint32_t block)
{
    uint32_t live = *live_at(f, block), first = *first_at(f, live);
    *next_at(f, block) = first;
    *before_at(f, block) = NONE;
    if (first != NONE)
        *before_at(f, first) = block;
    *first_at(f, live) = block;
    if (live < f->fewest)
        f->fewest = live;
}

static void unlist_block(struct flash *f, uint32_t block)
{
    uint32_t next = *next_at(f, block), before = *before_at(f, block);
    if (before != NONE)
        *next_at(f, before) = next;
    else
        *first_at(f, *live_at(f, block)) = next;
    if (next != NONE)
        *before_at(f, next) = before;
}

static uint32_t emptiest(struct flash *f)
{
    while (*first_at(f, f->fewest) == NONE)
        f->fewest++;
    return *first_at(f, f->fewest);
}

/* Erased blocks are in the list behind that of all pages live. */
static void give_erased(struct flash *f, uint32_t block)
{
    uint32_t *first = first_at(f, f->pages_per_block + 1);
    *next_at(f, block) = *first;
    *first = block;
    f->erased_blocks++;
}

static uint32_t take_erased(struct flash *f)
{
    uint32_t *first = first_at(f, f->pages_per_block + 1), block = *first;
    *first = *next_at(f, block);
    f->erased_blocks--;
    return block;
}

/* ---------------------------------------------------------------------------- writing */

void flash_make(struct flash *f, int64_t pages_per_block, int64_t blocks, int64_t user_pages,
                int64_t reserve)
{
    *f = (struct flash){.pages_per_block = pages_per_block, .blocks = blocks,
                        .user_pages = user_pages, .reserve = reserve};
    lay_out(f);
    for (int64_t i = 0; i < user_pages; i++)
        *place_at(f, i) = UNWRITTEN;
    for (int64_t i = 0; i < pages_per_block + 2; i++)
        *first_at(f, i) = NONE;
    for (int64_t i = blocks; i--;) {
        *live_at(f, i) = 0;
        give_erased(f, (uint32_t)i);
    }
    f->fewest = (uint32_t)pages_per_block;
    for (int i = 0; i < STREAMS; i++)
        f->open[i].block = take_erased(f);
}

static int is_open(const struct flash *f, uint32_t block)
{
    return block == f->open[HOST].block || block == f->open[MOVED].block;
}

static void forget(struct flash *f, uint32_t place)
{
    uint32_t block = place / (uint32_t)f->pages_per_block;
    if (is_open(f, block)) {
        --*live_at(f, block);
        return;
    }
    unlist_block(f, block);
    --*live_at(f, block);
    list_block(f, block);
}

static void put(struct flash *f, enum writer writer, uint32_t page)
{
    if (f->open[writer].pages == f->pages_per_block) {
        uint32_t full = f->open[writer].block;
        f->open[writer].block = take_erased(f);
        f->open[writer].pages = 0;
        list_block(f, full);
    }
    uint32_t block = f->open[writer].block;
    uint32_t place = block * (uint32_t)f->pages_per_block + f->open[writer].pages++;
    *place_at(f, page) = place;
    *page_at(f, place) = page;
    ++*live_at(f, block);
}

/* Find the pages that are live among some places; without a branch, as it can't be foretold. */
static int live_pages(struct flash *f, uint32_t first, uint32_t end, uint32_t *pages)
{
    int n = 0;
    for (uint32_t place = first; place < end; place++) {
        pages[n] = *page_at(f, place);
        n += *place_at(f, pages[n]) == place;
    }
    return n;
}

static int64_t collect(struct flash *f)
{
    uint32_t block = emptiest(f), first = block * (uint32_t)f->pages_per_block, pages[AT_ONCE];
    uint32_t end = first + (uint32_t)f->pages_per_block;
    int64_t moved = 0;
    unlist_block(f, block);
    for (; first < end; first += AT_ONCE) {
        int n = live_pages(f, first, first + AT_ONCE < end ? first + AT_ONCE : end, pages);
        for (int i = 0; i < n; i++)
            put(f, MOVED, pages[i]);
        moved += n;
    }
    *live_at(f, block) = 0;
    give_erased(f, block);
    f->erased++;
    return moved;
}

int64_t flash_write(struct flash *f, uint32_t page)
{
    int64_t moved = 0;
    while (f->erased_blocks <= f->reserve)
        moved += collect(f);
    uint32_t old = *place_at(f, page);
    if (old != UNWRITTEN)
        forget(f, old);
    put(f, HOST, page);
    f->written++;
    f->moved += moved;
    return moved;
}

uint64_t flash_write_random(struct flash *f, int64_t n, uint64_t seed)
{
    for (int64_t i = 0; i < n; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        flash_write(f, (uint32_t)((seed >> 32) * (uint64_t)f->user_pages >> 32));
    }
    return seed;
}

int flash_holds(struct flash *f, uint32_t page)
{
    return *place_at(f, page) != UNWRITTEN;
}
