/* Emulation: after the real call, its caller waits as long as servers that aren't there would need.
 *
 * What they do is computed by the engine, in memory that all ranks share: see
 * piotutor/engine/core/realtime.c. Recording stands above and sees one long call. */
#ifndef PIOTUTOR_EMULATE_H
#define PIOTUTOR_EMULATE_H

#include "descriptors.h"

extern int emulating; /* a directory is named */
extern _Atomic int32_t emulated[MOST_DESCRIPTORS]; /* the engine's number of a file, from 1 */

/* When a call on a file began that is to be delayed; 0: it isn't. */
static inline int64_t emulate_start(int fd)
{
    return unlikely(emulating) && (unsigned)fd < MOST_DESCRIPTORS && emulated[fd] ? now() : 0;
}

/* After the real call; errno stays. */
void emulate_move(int fd, enum op op, int64_t start, int64_t offset, int64_t moved);
void emulate_sync(int fd, int64_t start);
void emulate_truncated(int fd, int64_t start, int64_t size);
void emulate_opened(int fd, int directory, const char *path, int flags, int64_t start);
void emulate_closed(int32_t file, int64_t start);
void emulate_drain(int fd); /* before it is closed: asynchronous calls on it come to their end */
void emulate_async_in_child(void);
int emulate_is_ours(void); /* no: a child by vfork, which borrows our memory, or by a bare clone */

/* What isn't delayed is counted. piotutor/engine/core/realtime.h has the same. */
enum passed { PASSED_MAPPED, PASSED_NOTIFIED };
void emulate_passed(int fd, enum passed what);

/* A stream: libc reads and writes behind it, which nobody sees but by where the descriptor is then,
 * and by what waits in the stream's buffer. */
struct streaming {
    int fd;
    int64_t start; /* 0: it isn't delayed */
    int64_t place, pending;
};
struct streaming emulate_stream_of(int fd, int64_t pending);
void emulate_streamed(const struct streaming *before, enum op op, int64_t asked);
void emulate_flushed(const struct streaming *before); /* what was pending has been written */
void emulate_ended(int32_t file, const struct streaming *before); /* the same, and it is closed */

/* A file by its name, before a call that changes or asks what has it. */
struct named {
    int64_t start;
    uint64_t device, inode;
    int32_t file; /* the engine's number, from 1; 0: it isn't delayed */
    int is_last;  /* of the file's names */
};
struct named emulate_find(int directory, const char *path);
void emulate_named(const struct named *before, enum op op, int64_t size, int result);

/* `file` is called `new` now; what was called so is gone, unless they changed names. */
void emulate_renamed(const struct named *file, const struct named *victim, int directory,
                     const char *new, int exchanged);

static inline struct named emulate_name(int directory, const char *path)
{
    return unlikely(emulating) ? emulate_find(directory, path) : (struct named){0};
}

int32_t emulate_taken(int fd);

static inline int32_t emulate_forget(int fd) /* returns what was known of it; 0: nothing */
{
    return unlikely(emulating) ? emulate_taken(fd) : 0;
}

static inline void emulate_copied(int from, int to)
{
    if (unlikely(emulating) && (unsigned)from < MOST_DESCRIPTORS && (unsigned)to < MOST_DESCRIPTORS)
        emulated[to] = emulated[from];
}

#endif
