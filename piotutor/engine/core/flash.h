/* Flash: pages are written once, blocks are erased whole, and live pages must move before that.
 *
 * A page map with greedy garbage collection: the block with the fewest live pages goes first. What
 * the host writes and what is moved fill blocks of their own.
 */
#ifndef PIOTUTOR_ENGINE_FLASH_H
#define PIOTUTOR_ENGINE_FLASH_H

#include <stdint.h>

#define UNWRITTEN UINT32_MAX

enum writer { HOST, MOVED, STREAMS };

struct flash {
    int64_t pages_per_block, blocks, user_pages, reserve; /* reserve: blocks kept erased */
    int64_t written, moved, erased;                       /* pages, pages, blocks */
    int64_t erased_blocks;
    struct {
        uint32_t block, pages; /* pages that are written in it */
    } open[STREAMS];
    uint32_t fewest; /* no full block has fewer live pages */
    struct {
        int64_t place, page, live, next, before, first; /* bytes from here */
    } at;
};

int64_t flash_bytes(int64_t pages_per_block, int64_t blocks, int64_t user_pages);
void flash_make(struct flash *f, int64_t pages_per_block, int64_t blocks, int64_t user_pages,
                int64_t reserve);

/* Write one page; returns how many pages had to be moved for it, with an erasure for each block. */
int64_t flash_write(struct flash *f, uint32_t page);

/* Write uniformly drawn pages (xorshift64); returns the seed with which to go on. */
uint64_t flash_write_random(struct flash *f, int64_t n, uint64_t seed);

int flash_holds(struct flash *f, uint32_t page); /* whether it was ever written */

#endif
