/* A routed file's size, flags and state on the servers. */
#include "route.h"

#include <sys/stat.h>
#include <unistd.h>

static int is_writable(const struct routed *file)
{
    return (file->flags & O_ACCMODE) != O_RDONLY;
}

ON_HANDLE(int, fsync, (int fd), ceph.fsync(route.mount, handle, 0))
ON_HANDLE(int, fdatasync, (int fd), ceph.fsync(route.mount, handle, 1))
ON_HANDLE(int, sync_file_range, (int fd, off_t offset, off_t size, unsigned flags),
          offset < 0 || size < 0 || flags > 7 ? -EINVAL : ceph.fsync(route.mount, handle, 1))
ON_HANDLE(int, fchmod, (int fd, mode_t mode), ceph.fchmod(route.mount, handle, mode))
ON_HANDLE(int, ftruncate, (int fd, off_t size),
          size < 0 || !is_writable(file) ? -EINVAL : ceph.ftruncate(route.mount, handle, size))
ON_HANDLE(int, fallocate, (int fd, int mode, off_t offset, off_t size),
          is_writable(file) ? ceph.fallocate(route.mount, handle, mode, offset, size) : -EBADF)

/* A Ceph reserves nothing, and newer ones refuse to pretend: then it is the size that matters. */
static int lengthen(int fd, off_t offset, off_t size)
{
    struct stat about;
    if (offset < 0 || size <= 0)
        return route_refuse(EINVAL);
    if (!route_fallocate(fd, 0, offset, size))
        return 0;
    if (errno != EOPNOTSUPP || route_fstat(fd, &about))
        return -1;
    return about.st_size < offset + size ? route_ftruncate(fd, offset + size) : 0;
}

/* What libcephfs keeps of the file is written back and forgotten. (This needs no lazy I/O.) */
static ON_HANDLE(int, forget, (int fd, off_t offset, off_t size),
                 ceph.lazyio_synchronize(route.mount, handle, offset, (size_t)size))

static int number(int before, int failed) /* for those that leave errno alone */
{
    int error = failed ? errno : 0;
    errno = before;
    return error;
}

int route_posix_fallocate(int fd, off_t offset, off_t size)
{
    int before = errno;
    return number(before, lengthen(fd, offset, size));
}

int route_posix_fadvise(int fd, off_t offset, off_t size, int advice)
{
    int before = errno;
    return advice == POSIX_FADV_DONTNEED ? number(before, route_forget(fd, offset, size)) : 0;
}

/* ------------------------------------------------------------------------------------ flags */

#define CHANGEABLE (O_APPEND | O_DIRECT | O_NONBLOCK | O_NOATIME | O_ASYNC)

static int64_t flush(struct routed *file)
{
    int handle = route_handle(file);
    return handle < 0 ? handle : ceph.fsync(route.mount, handle, 1);
}

/* What lies in memory is written before anything is written past memory. */
static int64_t set_flags(struct routed *file, int flags)
{
    int64_t error = 0;
    if ((flags ^ file->flags) & O_DIRECT && is_writable(file))
        error = flush(file);
    if (error >= 0)
        file->flags = (file->flags & ~CHANGEABLE) | (flags & CHANGEABLE);
    return error;
}

static int64_t get_flags(const struct routed *file)
{
    return file->flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC);
}

ON_FILE(int, set_flags, (int fd, int flags), set_flags(file, flags))
ON_FILE(int, get_flags, (int fd), get_flags(file))
