/* Devices by themselves, for Python: many requests in one call. */
#include "engine.h"

#include "disk.h"
#include "flash.h"
#include "raid.h"

/* Serve reads one after the other, each when the one before is done but not before it is there. */
EXPORT void engine_disk(const struct disk *disk, int64_t n, const int64_t *there,
                        const int64_t *offset, const int64_t *bytes, struct disk_step *out)
{
    struct arm arm = {.first = NOWHERE};
    int64_t now = 0;
    for (int64_t i = 0; i < n; i++) {
        if (there[i] > now)
            now = there[i];
        out[i] = disk_serve(disk, &arm, now, offset[i], bytes[i], 0);
        now += out[i].overhead + out[i].seek + out[i].rotation + out[i].transfer;
    }
}

EXPORT int64_t engine_disk_seek(const struct disk *disk, int64_t cylinders)
{
    return disk_seek(disk, cylinders);
}

EXPORT int64_t engine_flash_bytes(int64_t pages_per_block, int64_t blocks, int64_t user_pages)
{
    return flash_bytes(pages_per_block, blocks, user_pages);
}

EXPORT void engine_flash_make(struct flash *f, int64_t pages_per_block, int64_t blocks,
                              int64_t user_pages, int64_t reserve)
{
    flash_make(f, pages_per_block, blocks, user_pages, reserve);
}

/* `moved`, if it isn't NULL, gets how many pages had to be moved for each. */
EXPORT void engine_flash_write(struct flash *f, int64_t n, const uint32_t *page, uint32_t *moved)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t more = flash_write(f, page[i]);
        if (moved)
            moved[i] = (uint32_t)more;
    }
}

EXPORT uint64_t engine_flash_write_random(struct flash *f, int64_t n, uint64_t seed)
{
    return flash_write_random(f, n, seed);
}

EXPORT int64_t engine_raid(const struct array *a, int32_t op, int64_t offset, int64_t length,
                           struct member *out, int64_t room)
{
    return raid_requests(a, op, offset, length, out, room);
}
