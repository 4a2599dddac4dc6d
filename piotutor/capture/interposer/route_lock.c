/* Locks on routed files: those of a local file that stands for each, by its inode number. They hold
 * between the processes of one node. (libcephfs has locks of its own, which hold between nodes,
 * but those of a rank that died stay for minutes.)
 */
#include "route.h"

#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------- the local file */

static int open_shadow(struct routed *file)
{
    struct ceph_statx about;
    char path[PATH_BYTES + 32];
    int handle = route_handle(file);
    int error = handle < 0 ? handle : ceph.fstatx(route.mount, handle, &about, CEPH_STATX_ALL, 0);
    if (error < 0)
        return error;
    snprintf(path, sizeof path, "%s/%llx.lock", route.shadow, (unsigned long long)about.inode);
    int fd = *route.shadow ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    return fd < 0 ? -ENOLCK : fd; /* never without a lock: bytes would be lost silently */
}

/* Its descriptor, or minus an error number. */
static int shadow_of(struct routed *file)
{
    int fd = file->shadow;
    if (fd >= 0)
        return fd;
    int made = open_shadow(file);
    if (made < 0)
        return made;
    pthread_mutex_lock(&file->lock);
    if (file->shadow < 0) {
        file->shadow = made;
        made = -1;
    }
    fd = file->shadow;
    pthread_mutex_unlock(&file->lock);
    if (made >= 0)
        close(made); /* another thread was quicker; no lock is lost that way: none was had */
    return fd;
}

/* --------------------------------------------------------------------------------------- ranges */

/* The local file has neither our position nor our size. */
static int64_t make_absolute(struct routed *file, struct flock *range)
{
    int64_t base = range->l_whence == SEEK_SET   ? 0
                   : range->l_whence == SEEK_CUR ? file->position
                   : range->l_whence == SEEK_END ? route_size(file)
                                                 : -EINVAL;
    if (base < 0)
        return base;
    range->l_start += base;
    range->l_whence = SEEK_SET;
    return 0;
}

static int may_lock(const struct routed *file, const struct flock *range)
{
    int refused = range->l_type == F_WRLCK ? O_RDONLY : range->l_type == F_RDLCK ? O_WRONLY : -1;
    return (file->flags & O_ACCMODE) != refused;
}

static int64_t lock_range(struct routed *file, int command, struct flock *range)
{
    struct flock local = *range;
    int asks = command == F_GETLK || command == F_OFD_GETLK;
    int64_t error = asks || may_lock(file, range) ? make_absolute(file, &local) : -EBADF;
    int fd = error < 0 ? (int)error : shadow_of(file);
    if (fd < 0)
        return fd;
    if (fcntl(fd, command, &local) < 0)
        return -errno;
    if (asks && local.l_type == F_UNLCK)
        range->l_type = F_UNLCK;
    else if (asks)
        *range = local;
    return 0;
}

static int64_t lock_whole(struct routed *file, int operation)
{
    int fd = shadow_of(file);
    return fd < 0 ? fd : flock(fd, operation) < 0 ? -errno : 0;
}

ON_FILE(int, lock, (int fd, int command, struct flock *range), lock_range(file, command, range))
ON_FILE(int, flock, (int fd, int operation), lock_whole(file, operation))

static int is_free(int fd, struct flock *range)
{
    int result = route_lock(fd, F_GETLK, range);
    if (result < 0 || range->l_type == F_UNLCK || range->l_pid == getpid())
        return result;
    return route_refuse(EACCES);
}

int route_lockf(int fd, int command, off_t size)
{
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_len = size};
    switch (command) {
    case F_TEST:
        return is_free(fd, &range);
    case F_ULOCK:
        range.l_type = F_UNLCK;
        return route_lock(fd, F_SETLK, &range);
    case F_LOCK:
        return route_lock(fd, F_SETLKW, &range);
    case F_TLOCK:
        return route_lock(fd, F_SETLK, &range);
    }
    return route_refuse(EINVAL);
}
