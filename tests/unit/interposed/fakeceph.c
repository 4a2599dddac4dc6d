/* A libcephfs that keeps its files in a local directory: the one that the configuration names. It
 * uses libc's functions, as the real one does for its own ends, so its calls meet the wrappers too.
 * FAKE_HANG: it doesn't end; FAKE_NOISE: a thread of its own writes a file all the time.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))

struct mount {
    char home[4096];
    pid_t owner;
    int mounted, stop;
    pthread_t thread;
};

struct answer {
    uint32_t mask, block_size, links, uid, gid;
    uint16_t mode;
    uint64_t inode, size, blocks, device, special;
    struct timespec accessed, changed, modified, born;
    uint64_t version;
};

static int told(long result)
{
    return result < 0 ? -errno : (int)result;
}

/* A mount serves the process that made it, and no other. */
#define CHECKED(m) \
    if (!m || !m->mounted || m->owner != getpid()) \
        return -ENOTCONN
#define PLACE(m, path) \
    CHECKED(m); \
    char place[8192]; \
    snprintf(place, sizeof place, "%s%s", m->home, path)

API int ceph_create(struct mount **m, const char *id)
{
    *m = calloc(1, sizeof **m);
    (*m)->owner = getpid();
    return id ? -EINVAL : 0;
}

API int ceph_conf_read_file(struct mount *m, const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return -errno;
    int found = fscanf(file, "%4000s", m->home);
    fclose(file);
    return found == 1 ? 0 : -EINVAL;
}

API int ceph_conf_get(struct mount *m, const char *option, char *value, size_t size)
{
    return snprintf(value, size, "300") < 0;
}

API int ceph_conf_set(struct mount *m, const char *option, const char *value)
{
    return strcmp(option, "client_mount_timeout") ? -ENOENT : 0;
}

static void *noise(void *data)
{
    struct mount *m = data;
    char place[8192];
    snprintf(place, sizeof place, "%s/../noise", m->home);
    do {
        int fd = open(place, O_CREAT | O_WRONLY, 0600);
        write(fd, "noise", 5);
        close(fd);
        usleep(1000);
    } while (!__atomic_load_n(&m->stop, __ATOMIC_RELAXED));
    return NULL;
}

API int ceph_mount(struct mount *m, const char *root)
{
    struct stat about;
    strcat(m->home, root[1] ? root : "");
    if (stat(m->home, &about))
        return -errno;
    m->mounted = 1;
    if (getenv("FAKE_NOISE"))
        pthread_create(&m->thread, NULL, noise, m);
    return 0;
}

API int ceph_unmount(struct mount *m)
{
    CHECKED(m);
    while (getenv("FAKE_HANG"))
        sleep(1);
    m->stop = 1;
    if (m->thread)
        pthread_join(m->thread, NULL);
    m->mounted = 0;
    return 0;
}

API int ceph_release(struct mount *m)
{
    if (m->mounted)
        return -EISCONN;
    free(m);
    return 0;
}

/* Numbers of its own, as the real one's: those of the kernel are never told. */
#define SHIFT 5000

API int ceph_open(struct mount *m, const char *path, int flags, mode_t mode)
{
    PLACE(m, path);
    int fd = open(place, flags & ~O_DIRECT & ~O_APPEND, mode);
    return fd < 0 ? -errno : fd + SHIFT;
}

API int ceph_close(struct mount *m, int fd)
{
    CHECKED(m);
    return getenv("FAKE_LATE") ? (close(fd - SHIFT), -EDQUOT) : told(close(fd - SHIFT));
}

#define CALL(name, parameters, result) \
    API int ceph_##name parameters \
    { \
        CHECKED(m); \
        return told(result); \
    }
#define CALL_AT(name, parameters, result) \
    API int ceph_##name parameters \
    { \
        PLACE(m, path); \
        return told(result); \
    }
#define FD (fd - SHIFT)

CALL(read, (struct mount *m, int fd, char *b, int64_t n, int64_t at), pread(FD, b, n, at))
CALL(write, (struct mount *m, int fd, const char *b, int64_t n, int64_t at), pwrite(FD, b, n, at))
CALL(preadv, (struct mount *m, int fd, const struct iovec *v, int n, int64_t at),
     preadv(FD, v, n, at))
CALL(pwritev, (struct mount *m, int fd, const struct iovec *v, int n, int64_t at),
     pwritev(FD, v, n, at))
CALL(lazyio_synchronize, (struct mount *m, int fd, int64_t at, size_t size),
     posix_fadvise(FD, at, size, POSIX_FADV_DONTNEED))
CALL(fsync, (struct mount *m, int fd, int data_only), data_only ? fdatasync(FD) : fsync(FD))
CALL(ftruncate, (struct mount *m, int fd, int64_t size), ftruncate(FD, size))
CALL(fchmod, (struct mount *m, int fd, mode_t mode), fchmod(FD, mode))
CALL(fallocate, (struct mount *m, int fd, int mode, int64_t at, int64_t size),
     getenv("FAKE_NEWER") ? (errno = EOPNOTSUPP, -1) : fallocate(FD, mode, at, size))
CALL_AT(truncate, (struct mount *m, const char *path, int64_t size), truncate(place, size))
CALL_AT(unlink, (struct mount *m, const char *path), unlink(place))
CALL_AT(mkdir, (struct mount *m, const char *path, mode_t mode), mkdir(place, mode))
CALL_AT(rmdir, (struct mount *m, const char *path), rmdir(place))
CALL_AT(chmod, (struct mount *m, const char *path, mode_t mode), chmod(place, mode))
CALL_AT(statfs, (struct mount *m, const char *path, struct statvfs *about),
        statvfs(m->home, about))

API int ceph_rename(struct mount *m, const char *path, const char *to)
{
    PLACE(m, path);
    char there[8192];
    snprintf(there, sizeof there, "%s%s", m->home, to);
    return told(rename(place, there));
}

API int ceph_opendir(struct mount *m, const char *path, DIR **directory)
{
    PLACE(m, path);
    return (*directory = opendir(place)) ? 0 : -errno;
}

API struct dirent *ceph_readdir(struct mount *m, DIR *directory)
{
    return readdir(directory);
}

API int ceph_closedir(struct mount *m, DIR *directory)
{
    return told(closedir(directory));
}

static int answered(int result, const struct stat *about, struct answer *a)
{
    if (result < 0)
        return -errno;
    *a = (struct answer){0xfff, about->st_blksize, about->st_nlink, about->st_uid, about->st_gid,
                         about->st_mode, about->st_ino, about->st_size, about->st_blocks, 77, 0,
                         about->st_atim, about->st_ctim, about->st_mtim, about->st_ctim, 1};
    return 0;
}

API int ceph_fstatx(struct mount *m, int fd, struct answer *a, unsigned want, unsigned flags)
{
    CHECKED(m);
    struct stat about;
    return answered(fstat(FD, &about), &about, a);
}

API int ceph_statx(struct mount *m, const char *path, struct answer *a, unsigned want,
                   unsigned flags)
{
    PLACE(m, path);
    struct stat about;
    int result = flags & AT_SYMLINK_NOFOLLOW ? lstat(place, &about) : stat(place, &about);
    return answered(result, &about, a);
}

#define ATTRIBUTE(name, parameters, arguments) \
    CALL_AT(name, (struct mount *m, const char *path, UNPACK parameters), \
            name(place, UNPACK arguments)) \
    CALL_AT(l##name, (struct mount *m, const char *path, UNPACK parameters), \
            l##name(place, UNPACK arguments)) \
    CALL(f##name, (struct mount *m, int fd, UNPACK parameters), f##name(FD, UNPACK arguments))
#define UNPACK(...) __VA_ARGS__
ATTRIBUTE(getxattr, (const char *name, void *value, size_t size), (name, value, size))
ATTRIBUTE(setxattr, (const char *name, const void *value, size_t size, int how),
          (name, value, size, how))
ATTRIBUTE(listxattr, (char *list, size_t size), (list, size))
ATTRIBUTE(removexattr, (const char *name), (name))
