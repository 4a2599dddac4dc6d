/* What is known of each open descriptor of interest. */
#ifndef PIOTUTOR_DESCRIPTORS_H
#define PIOTUTOR_DESCRIPTORS_H

#include "interposer.h"

#define MOST_DESCRIPTORS (1 << 16) /* those beyond aren't followed */

enum {
    KNOWN_DIRECT = FLAG_DIRECT,
    KNOWN_APPEND = 1 << 8, /* its position moves to the end with each write */
    KNOWN_SHARED = 1 << 9, /* another descriptor has the same position */
};

struct descriptor {
    _Atomic int32_t file; /* index of its name, from 1; 0: it isn't followed */
    uint32_t flags;
    uint32_t forks; /* how many there had been when it was opened */
    _Atomic int64_t position;
};
extern struct descriptor descriptors[MOST_DESCRIPTORS];

static inline struct descriptor *descriptor(int fd)
{
    if ((unsigned)fd >= MOST_DESCRIPTORS)
        return NULL;
    struct descriptor *d = &descriptors[fd];
    return atomic_load_explicit(&d->file, memory_order_relaxed) ? d : NULL;
}

static inline int32_t descriptor_file(const struct descriptor *d)
{
    return atomic_load_explicit(&d->file, memory_order_relaxed) - 1;
}

void descriptor_open(int fd, int32_t file, int flags); /* flags as open takes them */
void descriptor_flags(struct descriptor *d, int flags);
void descriptor_close(int fd);
void descriptor_copy(int from, int to);

int descriptor_copied(int from, int to); /* after a dup, whose result it returns */

/* Index of the name of a file just opened (fd -1: in vain), or -1 if it isn't of interest. */
int32_t opened_file(int fd, int directory, const char *path);

/* Where a call that moved the position by `moved` bytes began; -1: it can't be told. */
int64_t position_before(int fd, struct descriptor *d, int64_t moved);

#endif
