/* Bytes between memory and a routed file, and the position in it. */
#include "route.h"

#include <unistd.h>

#define HERE INT64_MIN        /* offset: where the position is */
#define MOST_BYTES 0x7ffff000 /* of one call, as on Linux */
#define MOST_PIECES 1024

typedef struct {
    int writing;
    const struct iovec *vector;
    int n;
} transfer;

static int64_t moved(int handle, transfer t, int64_t offset)
{
    if (t.n > 1)
        return (t.writing ? ceph.pwritev : ceph.preadv)(route.mount, handle, t.vector, t.n, offset);
    char *buffer = t.vector->iov_base;
    int64_t size = (int64_t)t.vector->iov_len;
    return t.writing ? ceph.write(route.mount, handle, buffer, size, offset)
                     : ceph.read(route.mount, handle, buffer, size, offset);
}

/* What is written past libcephfs's memory isn't in it: what was there of the file is forgotten. */
static int64_t move_at(struct routed *file, transfer t, int64_t offset)
{
    int handle = route_handle(file);
    if (handle < 0)
        return handle;
    int64_t got = moved(handle, t, offset);
    if (got > 0 && t.writing && file->flags & O_DIRECT)
        ceph.lazyio_synchronize(route.mount, handle, offset, (size_t)got);
    return got;
}

/* One at a time: each goes on where the one before ended. O_APPEND writes at the end, wherever it
 * was told to, as Linux does; another process may come in between (libcephfs's own allows that). */
static int64_t move_in_turn(struct routed *file, transfer t, int64_t offset)
{
    pthread_mutex_lock(&file->turn);
    int64_t at = offset == HERE ? file->position : offset;
    if (t.writing && file->flags & O_APPEND)
        at = route_size(file);
    int64_t got = at < 0 ? at : move_at(file, t, at);
    if (got >= 0 && offset == HERE)
        file->position = at + got;
    pthread_mutex_unlock(&file->turn);
    return got;
}

static int64_t move(struct routed *file, transfer t, int64_t offset)
{
    if (t.n < 0 || t.n > MOST_PIECES || (offset < 0 && offset != HERE))
        return -EINVAL;
    size_t bytes = 0;
    for (int i = 0; i < t.n; i++)
        if (t.vector[i].iov_len > MOST_BYTES || (bytes += t.vector[i].iov_len) > MOST_BYTES)
            return -EINVAL;
    if ((file->flags & O_ACCMODE) == (t.writing ? O_RDONLY : O_WRONLY))
        return -EBADF;
    if (!bytes)
        return 0;
    int in_turn = offset == HERE || (t.writing && file->flags & O_APPEND);
    return in_turn ? move_in_turn(file, t, offset) : move_at(file, t, offset);
}

static int64_t move_one(struct routed *file, int writing, void *buffer, size_t size, int64_t offset)
{
    struct iovec one = {buffer, size < MOST_BYTES ? size : MOST_BYTES};
    return move(file, (transfer){writing, &one, 1}, offset);
}

#define MANY(writing) ((transfer){writing, vector, n})
#define VECTOR int fd, const struct iovec *vector, int n

/* clang-format off */
ON_FILE(ssize_t, read, (int fd, void *buffer, size_t size), move_one(file, 0, buffer, size, HERE))
ON_FILE(ssize_t, write, (int fd, const void *buffer, size_t size),
        move_one(file, 1, (void *)buffer, size, HERE))
ON_FILE(ssize_t, pread, (int fd, void *buffer, size_t size, off_t offset),
        move_one(file, 0, buffer, size, offset))
ON_FILE(ssize_t, pwrite, (int fd, const void *buffer, size_t size, off_t offset),
        move_one(file, 1, (void *)buffer, size, offset))
ON_FILE(ssize_t, readv, (VECTOR), move(file, MANY(0), HERE))
ON_FILE(ssize_t, writev, (VECTOR), move(file, MANY(1), HERE))
ON_FILE(ssize_t, preadv, (VECTOR, off_t offset), move(file, MANY(0), offset))
ON_FILE(ssize_t, pwritev, (VECTOR, off_t offset), move(file, MANY(1), offset))
/* clang-format on */

/* ---------------------------------------------------------------------- with flags of their own */

ssize_t route_preadv2(VECTOR, off_t offset, int flags)
{
    if (flags & ~RWF_HIPRI)
        return route_refuse(EOPNOTSUPP);
    return offset == -1 ? route_readv(fd, vector, n) : route_preadv(fd, vector, n, offset);
}

ssize_t route_pwritev2(VECTOR, off_t offset, int flags)
{
    if (flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC))
        return route_refuse(EOPNOTSUPP);
    ssize_t got = offset == -1 ? route_writev(fd, vector, n) : route_pwritev(fd, vector, n, offset);
    return got > 0 && flags & (RWF_DSYNC | RWF_SYNC) && route_fsync(fd) ? -1 : got;
}

/* ----------------------------------------------------------------------------- the position */

/* Where a seek leads. Holes aren't known: a file is data up to its end. */
static int64_t target(struct routed *file, off_t offset, int whence)
{
    if (whence == SEEK_SET)
        return offset;
    if (whence == SEEK_CUR)
        return file->position + offset;
    int64_t size = route_size(file);
    if (size < 0)
        return size;
    if (whence == SEEK_END)
        return size + offset;
    if (whence != SEEK_DATA && whence != SEEK_HOLE)
        return -EINVAL;
    return offset < 0 || offset >= size ? -ENXIO : whence == SEEK_DATA ? offset : size;
}

static int64_t seek(struct routed *file, off_t offset, int whence)
{
    pthread_mutex_lock(&file->turn);
    int64_t at = target(file, offset, whence);
    if (at >= 0)
        file->position = at;
    pthread_mutex_unlock(&file->turn);
    int outside = whence == SEEK_SET || whence == SEEK_CUR || whence == SEEK_END;
    return at < 0 && outside ? -EINVAL : at;
}

ON_FILE(off_t, lseek, (int fd, off_t offset, int whence), seek(file, offset, whence))
