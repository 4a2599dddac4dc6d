/* Routing: files below one directory lie on a Ceph, and calls on them go to libcephfs.
 *
 * A wrapper's seam is `under_NAME`: the real function, or for a routed file ours. Recording stands
 * above it and doesn't know. A routed file has a descriptor of the kernel that stands in for it,
 * with which nothing can be done: a call that isn't routed fails.
 */
#ifndef PIOTUTOR_ROUTE_H
#define PIOTUTOR_ROUTE_H

#include "ceph.h"
#include "descriptors.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>

/* ------------------------------------------------------------------------- what is routed */

struct routed;
extern int routing; /* a directory is named */
extern _Atomic(struct routed *) routes[MOST_DESCRIPTORS];

static inline int routed(int fd)
{
    return unlikely(routing) && (unsigned)fd < MOST_DESCRIPTORS
           && atomic_load_explicit(&routes[fd], memory_order_relaxed);
}

/* The path on the Ceph of a path below the directory; 0: it is none. */
int route_path(int directory, const char *path, char out[PATH_BYTES]);
int route_wants(int directory, const char *path);

static inline int routed_at(int directory, const char *path)
{
    return unlikely(routing) && route_wants(directory, path);
}

static inline int routed_path(const char *path)
{
    return routed_at(AT_FDCWD, path);
}

static inline int route_refuse(int error)
{
    errno = error;
    return -1;
}

/* A name in the table of real functions, and the seam above it: `instead` where it is `ours`. */
#define UNDER(type, name, parameters, arguments, ours, instead) \
    REAL(type, name, parameters) \
    static inline type under_##name parameters \
    { \
        return unlikely(ours) ? (type)(instead) : real_##name() arguments; \
    }

/* A wrapper of a call that is routed and never recorded. */
#define PASS(type, name, parameters, arguments, ours, instead) \
    UNDER(type, name, parameters, arguments, ours, instead) \
    EXPORT type name parameters \
    { \
        return under_##name arguments; \
    }

/* ------------------------------------------------------------------------------ the mount */

struct route {
    struct ceph_mount_info *_Atomic mount; /* NULL until the first call, and after a fork */
    unsigned number; /* of mounts so far: a file is opened anew in each */
    const char *prefix, *root, *conf, *library, *shadow;
    int wait; /* for the Ceph, at the begin and at the end, in seconds */
    mode_t umask;
};
extern struct route route;

int route_begin(void); /* whether files are ours; nothing is recorded until route_leave */
int route_enter(void); /* the same, mounted: 0, or minus an error number */
int64_t route_leave(int64_t result); /* errno from a negative one, which becomes -1 */
void route_unmount(void);     /* everything written is on its way; the next call mounts again */
int route_finish(int status); /* the same, for good; the status to leave with */

/* ------------------------------------------------------------------------------ open files */

struct routed {
    int users;            /* descriptors, and calls under way; under the table's lock */
    pthread_mutex_t lock; /* of the handles */
    unsigned number;      /* of the mount that they belong to */
    int handles[2];       /* of libcephfs: buffered and O_DIRECT; -1: not opened yet */
    int shadow;           /* a local file that is locked in its place; -1: none yet */
    int flags;            /* as F_GETFL tells them */
    pthread_mutex_t turn; /* of those who move the position, or the end */
    int64_t position;
    char path[];
};

/* The file of a descriptor, for one call; NULL, and minus an error number. One has entered. */
struct routed *route_take(int fd, int *error);
int64_t route_give(struct routed *file, int64_t result);
int route_handle(struct routed *file); /* of libcephfs; or minus an error number */
int64_t route_size(struct routed *file);

/* Define a call on an open file: `made` is minus an error number, or what it returns. */
#define ON_FILE(type, name, parameters, made) \
    type route_##name parameters \
    { \
        int error; \
        struct routed *file = route_take(fd, &error); \
        return (type)route_give(file, file ? (made) : error); \
    }

/* The same, made by libcephfs on its `handle` of the file. */
#define ON_HANDLE(type, name, parameters, made) \
    type route_##name parameters \
    { \
        int handle; \
        struct routed *file = route_take(fd, &handle); \
        if (file) \
            handle = route_handle(file); \
        return (type)route_give(file, handle < 0 ? handle : (made)); \
    }

/* A call on a path: `where` is the one on the Ceph. */
#define ON_PATH(type, name, parameters, directory, path, made) \
    type route_##name parameters \
    { \
        char where[PATH_BYTES]; \
        if (!route_path(directory, path, where)) \
            return route_refuse(ENOENT); \
        int error = route_enter(); \
        return (type)route_leave(error ? error : (made)); \
    }

int route_open(int directory, const char *path, int flags, mode_t mode);
int route_closed(int fd); /* before its stand-in is; an error number of what was yet to be written */
void route_copied(int from, int to);
void route_close_all(void); /* of the mount; their descriptors stay */
void route_lock_files(void);
void route_unlock_files(void);
void route_own_files(void); /* in a child, with all of them locked */
size_t route_directory(int fd, char out[PATH_BYTES]); /* where it lies, below the prefix */

/* ---------------------------------------------------------------------- calls, like libc's */

ssize_t route_read(int fd, void *buffer, size_t size);
ssize_t route_write(int fd, const void *buffer, size_t size);
ssize_t route_pread(int fd, void *buffer, size_t size, off_t offset);
ssize_t route_pwrite(int fd, const void *buffer, size_t size, off_t offset);
ssize_t route_readv(int fd, const struct iovec *vector, int n);
ssize_t route_writev(int fd, const struct iovec *vector, int n);
ssize_t route_preadv(int fd, const struct iovec *vector, int n, off_t offset);
ssize_t route_pwritev(int fd, const struct iovec *vector, int n, off_t offset);
ssize_t route_preadv2(int fd, const struct iovec *vector, int n, off_t offset, int flags);
ssize_t route_pwritev2(int fd, const struct iovec *vector, int n, off_t offset, int flags);

off_t route_lseek(int fd, off_t offset, int whence);
int route_fsync(int fd);
int route_fdatasync(int fd);
int route_sync_file_range(int fd, off_t offset, off_t size, unsigned flags);
int route_ftruncate(int fd, off_t size);
int route_fallocate(int fd, int mode, off_t offset, off_t size);
int route_posix_fallocate(int fd, off_t offset, off_t size); /* returns the error number */
int route_posix_fadvise(int fd, off_t offset, off_t size, int advice); /* returns the error number */
int route_set_flags(int fd, int flags);
int route_get_flags(int fd);
int route_lock(int fd, int command, struct flock *range); /* F_SETLK, F_OFD_GETLK, ... */
int route_flock(int fd, int operation);
int route_lockf(int fd, int command, off_t size);

struct stat;
struct statx;
struct statfs;
struct aiocb;
struct sigevent;
int route_fstat(int fd, struct stat *about);
int route_stat(int directory, const char *path, struct stat *about, int flags);
int route_statx(int directory, const char *path, int flags, struct statx *about);
int route_fstatfs(int fd, struct statfs *about);
int route_statfs(const char *path, struct statfs *about);
int route_fstatvfs(int fd, struct statvfs *about);
int route_statvfs(const char *path, struct statvfs *about);
int route_access(int directory, const char *path, int mode, int flags);

int route_truncate(const char *path, off_t size);
int route_unlink(int directory, const char *path, int flags);
int route_remove(const char *path);
int route_rename(int from, const char *old, int to, const char *new, unsigned flags);
int route_mkdir(int directory, const char *path, mode_t mode);
int route_chmod(int directory, const char *path, mode_t mode);
int route_fchmod(int fd, mode_t mode);
ssize_t route_getxattr(const char *path, const char *name, void *value, size_t size);
ssize_t route_lgetxattr(const char *path, const char *name, void *value, size_t size);
ssize_t route_fgetxattr(int fd, const char *name, void *value, size_t size);
int route_setxattr(const char *path, const char *name, const void *value, size_t size, int flags);
int route_lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags);
int route_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags);
ssize_t route_listxattr(const char *path, char *list, size_t size);
ssize_t route_llistxattr(const char *path, char *list, size_t size);
ssize_t route_flistxattr(int fd, char *list, size_t size);
int route_removexattr(const char *path, const char *name);
int route_lremovexattr(const char *path, const char *name);
int route_fremovexattr(int fd, const char *name);

FILE *route_fopen(const char *path, int flags, const char *mode); /* flags as open takes them */
FILE *route_fdopen(int fd, int flags, const char *mode);
void route_flush_streams(void);

int route_aio(struct aiocb *request, int operation); /* LIO_READ, LIO_WRITE; else a sync */
int route_any(struct aiocb *const list[], int n);     /* whether one of them is routed */
int route_lio_listio(struct aiocb *const list[], int n, const struct sigevent *event);

#endif
