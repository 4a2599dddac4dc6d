/* The functions of libcephfs that are used, by the prototypes of cephfs/libcephfs.h (Ceph 16 and
 * newer). The library is looked for when the first file is routed; none of it is needed to build.
 */
#ifndef PIOTUTOR_CEPH_H
#define PIOTUTOR_CEPH_H

#include "interposer.h"

#include <sys/statvfs.h>
#include <sys/uio.h>

struct ceph_dir_result;
struct ceph_mount_info;
struct dirent;

struct ceph_statx {
    uint32_t mask, block_size, links, uid, gid;
    uint16_t mode;
    uint64_t inode, size, blocks, device, special;
    struct timespec accessed, changed, modified, born; /* changed: the inode */
    uint64_t version;
};
_Static_assert(sizeof(struct ceph_statx) == 136, "struct ceph_statx of cephfs/ceph_ll_client.h");

#define CEPH_STATX_SIZE 0x200u
#define CEPH_STATX_ALL 0xfffu /* what stat knows, and the time of birth */

/* clang-format off */
#define MOUNT struct ceph_mount_info *
#define CEPH_FUNCTIONS(X) \
    X(int, create, (MOUNT *, const char *id)) \
    X(int, conf_read_file, (MOUNT, const char *path)) \
    X(int, conf_get, (MOUNT, const char *option, char *value, size_t size)) \
    X(int, conf_set, (MOUNT, const char *option, const char *value)) \
    X(int, mount, (MOUNT, const char *root)) \
    X(int, unmount, (MOUNT)) \
    X(int, release, (MOUNT)) \
    X(int, open, (MOUNT, const char *path, int flags, mode_t mode)) \
    X(int, close, (MOUNT, int fd)) \
    X(int, read, (MOUNT, int fd, char *buffer, int64_t size, int64_t offset)) \
    X(int, write, (MOUNT, int fd, const char *buffer, int64_t size, int64_t offset)) \
    X(int, preadv, (MOUNT, int fd, const struct iovec *, int n, int64_t offset)) \
    X(int, pwritev, (MOUNT, int fd, const struct iovec *, int n, int64_t offset)) \
    X(int, fsync, (MOUNT, int fd, int data_only)) \
    X(int, lazyio_synchronize, (MOUNT, int fd, int64_t offset, size_t size)) \
    X(int, ftruncate, (MOUNT, int fd, int64_t size)) \
    X(int, truncate, (MOUNT, const char *path, int64_t size)) \
    X(int, fallocate, (MOUNT, int fd, int mode, int64_t offset, int64_t size)) \
    X(int, fstatx, (MOUNT, int fd, struct ceph_statx *, unsigned want, unsigned flags)) \
    X(int, statx, (MOUNT, const char *path, struct ceph_statx *, unsigned want, unsigned flags)) \
    X(int, statfs, (MOUNT, const char *path, struct statvfs *)) \
    X(int, unlink, (MOUNT, const char *path)) \
    X(int, rename, (MOUNT, const char *from, const char *to)) \
    X(int, mkdir, (MOUNT, const char *path, mode_t mode)) \
    X(int, rmdir, (MOUNT, const char *path)) \
    X(int, opendir, (MOUNT, const char *path, struct ceph_dir_result **)) \
    X(struct dirent *, readdir, (MOUNT, struct ceph_dir_result *)) \
    X(int, closedir, (MOUNT, struct ceph_dir_result *)) \
    X(int, chmod, (MOUNT, const char *path, mode_t mode)) \
    X(int, fchmod, (MOUNT, int fd, mode_t mode)) \
    X(int, getxattr, (MOUNT, const char *path, const char *name, void *value, size_t size)) \
    X(int, lgetxattr, (MOUNT, const char *path, const char *name, void *value, size_t size)) \
    X(int, fgetxattr, (MOUNT, int fd, const char *name, void *value, size_t size)) \
    X(int, setxattr, (MOUNT, const char *path, const char *name, const void *, size_t, int)) \
    X(int, lsetxattr, (MOUNT, const char *path, const char *name, const void *, size_t, int)) \
    X(int, fsetxattr, (MOUNT, int fd, const char *name, const void *, size_t, int)) \
    X(int, listxattr, (MOUNT, const char *path, char *list, size_t size)) \
    X(int, llistxattr, (MOUNT, const char *path, char *list, size_t size)) \
    X(int, flistxattr, (MOUNT, int fd, char *list, size_t size)) \
    X(int, removexattr, (MOUNT, const char *path, const char *name)) \
    X(int, lremovexattr, (MOUNT, const char *path, const char *name)) \
    X(int, fremovexattr, (MOUNT, int fd, const char *name))
/* clang-format on */

#define CEPH_POINTER(type, name, parameters) type(*name) parameters;
struct ceph {
    CEPH_FUNCTIONS(CEPH_POINTER)
};
#undef CEPH_POINTER
extern struct ceph ceph; /* all NULL until a mount is there */

int ceph_load(const char *library); /* 0: it can't be had, which stderr has been told */

#endif
