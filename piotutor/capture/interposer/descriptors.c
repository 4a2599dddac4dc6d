/* What is known of each open descriptor of interest. */
#include "route.h"

#include <sys/syscall.h>
#include <unistd.h>

struct descriptor descriptors[MOST_DESCRIPTORS];

void descriptor_flags(struct descriptor *d, int flags)
{
    uint32_t kept = d->flags & KNOWN_SHARED;
    d->flags = kept | (flags & O_APPEND ? KNOWN_APPEND : 0) | (flags & O_DIRECT ? KNOWN_DIRECT : 0);
}

void descriptor_open(int fd, int32_t file, int flags)
{
    if ((unsigned)fd >= MOST_DESCRIPTORS)
        return;
    struct descriptor *d = &descriptors[fd];
    d->flags = 0;
    descriptor_flags(d, flags);
    d->forks = atomic_load(&process_forks);
    atomic_store(&d->position, 0);
    atomic_store(&d->file, file + 1);
}

void descriptor_close(int fd)
{
    if ((unsigned)fd < MOST_DESCRIPTORS)
        atomic_store(&descriptors[fd].file, 0);
}

void descriptor_copy(int from, int to)
{
    struct descriptor *d = descriptor(from);
    descriptor_close(to);
    if (!d || (unsigned)to >= MOST_DESCRIPTORS)
        return;
    d->flags |= KNOWN_SHARED;
    descriptors[to].flags = d->flags;
    descriptors[to].forks = d->forks;
    atomic_store(&descriptors[to].file, descriptor_file(d) + 1);
}

int64_t position_before(int fd, struct descriptor *d, int64_t moved)
{
    moved = moved > 0 ? moved : 0;
    int others = d->flags & (KNOWN_APPEND | KNOWN_SHARED) || d->forks != process_forks;
    if (likely(!others))
        return atomic_fetch_add_explicit(&d->position, moved, memory_order_relaxed);
    int64_t position = routed(fd) ? route_lseek(fd, 0, SEEK_CUR)
                                  : syscall(SYS_lseek, fd, 0, SEEK_CUR);
    return position < 0 ? -1 : position - moved;
}
