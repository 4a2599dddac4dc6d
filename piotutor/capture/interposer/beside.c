/* Calls that are routed, or delayed, and never recorded. */
#include "emulate.h"
#include "route.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ON_FD(type, name, parameters, arguments) \
    PASS(type, name, parameters, arguments, routed(fd), route_##name arguments)
#define ON_NAME(type, name, parameters, arguments) \
    PASS(type, name, parameters, arguments, routed_path(path), route_##name arguments)
#define ALIAS(type, name, other, parameters) \
    EXPORT type name parameters __attribute__((alias(#other)));

/* Whether a call on a directory and a path in it is about a routed file. */
static inline int found(int directory, const char *path, int flags)
{
    if (likely(!routing))
        return 0;
    return flags & AT_EMPTY_PATH && path && !*path ? routed(directory)
                                                   : route_wants(directory, path);
}

/* ---------------------------------------------------------------------------------------- stat */

/* Asked of the metadata server where files are emulated; of an open file the client knows it. */
#define LOOK(name, parameters, arguments, directory, ours, instead) \
    UNDER(int, name, parameters, arguments, ours, instead) \
    EXPORT int name parameters \
    { \
        struct named before = emulate_name(directory, path); \
        int result = under_##name arguments; \
        emulate_named(&before, OP_STAT, 0, result); \
        return result; \
    }

/* clang-format off */
#if __GLIBC_PREREQ(2, 33) /* before, they are inline functions that call those below */
ON_FD(int, fstat, (int fd, struct stat *about), (fd, about))
LOOK(stat, (const char *path, struct stat *about), (path, about), AT_FDCWD, routed_path(path),
     route_stat(AT_FDCWD, path, about, 0))
LOOK(lstat, (const char *path, struct stat *about), (path, about), AT_FDCWD, routed_path(path),
     route_stat(AT_FDCWD, path, about, AT_SYMLINK_NOFOLLOW))
LOOK(fstatat, (int directory, const char *path, struct stat *about, int flags),
     (directory, path, about, flags), directory, found(directory, path, flags),
     route_stat(directory, path, about, flags))
ALIAS(int, fstat64, fstat, (int, struct stat64 *))
ALIAS(int, stat64, stat, (const char *, struct stat64 *))
ALIAS(int, lstat64, lstat, (const char *, struct stat64 *))
ALIAS(int, fstatat64, fstatat, (int, const char *, struct stat64 *, int))
#endif

int __fxstat(int, int, struct stat *), __xstat(int, const char *, struct stat *);
int __lxstat(int, const char *, struct stat *);
int __fxstatat(int, int, const char *, struct stat *, int);
int __fxstat64(int, int, struct stat64 *), __xstat64(int, const char *, struct stat64 *);
int __lxstat64(int, const char *, struct stat64 *);
int __fxstatat64(int, int, const char *, struct stat64 *, int);
PASS(int, __fxstat, (int version, int fd, struct stat *about), (version, fd, about), routed(fd),
     route_fstat(fd, about))
LOOK(__xstat, (int version, const char *path, struct stat *about), (version, path, about),
     AT_FDCWD, routed_path(path), route_stat(AT_FDCWD, path, about, 0))
LOOK(__lxstat, (int version, const char *path, struct stat *about), (version, path, about),
     AT_FDCWD, routed_path(path), route_stat(AT_FDCWD, path, about, AT_SYMLINK_NOFOLLOW))
LOOK(__fxstatat,
     (int version, int directory, const char *path, struct stat *about, int flags),
     (version, directory, path, about, flags), directory, found(directory, path, flags),
     route_stat(directory, path, about, flags))
ALIAS(int, __fxstat64, __fxstat, (int, int, struct stat64 *))
ALIAS(int, __xstat64, __xstat, (int, const char *, struct stat64 *))
ALIAS(int, __lxstat64, __lxstat, (int, const char *, struct stat64 *))
ALIAS(int, __fxstatat64, __fxstatat, (int, int, const char *, struct stat64 *, int))

#if __GLIBC_PREREQ(2, 28)
LOOK(statx,
     (int directory, const char *restrict path, int flags, unsigned mask,
      struct statx *restrict about),
     (directory, path, flags, mask, about), directory, found(directory, path, flags),
     route_statx(directory, path, flags, about))
#endif

ON_FD(int, fstatfs, (int fd, struct statfs *about), (fd, about))
ON_NAME(int, statfs, (const char *path, struct statfs *about), (path, about))
ON_FD(int, fstatvfs, (int fd, struct statvfs *about), (fd, about))
ON_NAME(int, statvfs, (const char *restrict path, struct statvfs *restrict about), (path, about))
ALIAS(int, fstatfs64, fstatfs, (int, struct statfs64 *))
ALIAS(int, statfs64, statfs, (const char *, struct statfs64 *))
ALIAS(int, fstatvfs64, fstatvfs, (int, struct statvfs64 *))
ALIAS(int, statvfs64, statvfs, (const char *restrict, struct statvfs64 *restrict))

PASS(int, access, (const char *path, int mode), (path, mode), routed_path(path),
     route_access(AT_FDCWD, path, mode, 0))
PASS(int, faccessat, (int directory, const char *path, int mode, int flags),
     (directory, path, mode, flags), found(directory, path, flags),
     route_access(directory, path, mode, flags))

/* --------------------------------------------------------------------------------- attributes */

ON_FD(ssize_t, fgetxattr, (int fd, const char *name, void *value, size_t size),
      (fd, name, value, size))
ON_NAME(ssize_t, getxattr, (const char *path, const char *name, void *value, size_t size),
        (path, name, value, size))
ON_NAME(ssize_t, lgetxattr, (const char *path, const char *name, void *value, size_t size),
        (path, name, value, size))
ON_FD(int, fsetxattr, (int fd, const char *name, const void *value, size_t size, int flags),
      (fd, name, value, size, flags))
ON_NAME(int, setxattr,
        (const char *path, const char *name, const void *value, size_t size, int flags),
        (path, name, value, size, flags))
ON_NAME(int, lsetxattr,
        (const char *path, const char *name, const void *value, size_t size, int flags),
        (path, name, value, size, flags))
ON_FD(ssize_t, flistxattr, (int fd, char *list, size_t size), (fd, list, size))
ON_NAME(ssize_t, listxattr, (const char *path, char *list, size_t size), (path, list, size))
ON_NAME(ssize_t, llistxattr, (const char *path, char *list, size_t size), (path, list, size))
ON_FD(int, fremovexattr, (int fd, const char *name), (fd, name))
ON_NAME(int, removexattr, (const char *path, const char *name), (path, name))
ON_NAME(int, lremovexattr, (const char *path, const char *name), (path, name))

/* --------------------------------------------------------------------------------------- names */

PASS(int, mkdir, (const char *path, mode_t mode), (path, mode), routed_path(path),
     route_mkdir(AT_FDCWD, path, mode))
PASS(int, mkdirat, (int directory, const char *path, mode_t mode), (directory, path, mode),
     routed_at(directory, path), route_mkdir(directory, path, mode))
PASS(int, rmdir, (const char *path), (path), routed_path(path),
     route_unlink(AT_FDCWD, path, AT_REMOVEDIR))
PASS(int, chmod, (const char *path, mode_t mode), (path, mode), routed_path(path),
     route_chmod(AT_FDCWD, path, mode))
ON_FD(int, fchmod, (int fd, mode_t mode), (fd, mode))
PASS(int, fchmodat, (int directory, const char *path, mode_t mode, int flags),
     (directory, path, mode, flags), routed_at(directory, path),
     route_chmod(directory, path, mode))

/* ------------------------------------------------------------------------------------- the rest */

/* Refused, rather than made beside the Ceph in the local directory. */
#define REFUSE(name, parameters, arguments, ours) \
    PASS(int, name, parameters, arguments, ours, route_refuse(EOPNOTSUPP))
REFUSE(link, (const char *old, const char *new), (old, new), routed_path(old) || routed_path(new))
REFUSE(linkat, (int from, const char *old, int to, const char *new, int flags),
       (from, old, to, new, flags), routed_at(from, old) || routed_at(to, new))
REFUSE(symlink, (const char *to, const char *path), (to, path), routed_path(path))
REFUSE(symlinkat, (const char *to, int directory, const char *path), (to, directory, path),
       routed_at(directory, path))
REFUSE(mkfifo, (const char *path, mode_t mode), (path, mode), routed_path(path))
REFUSE(mknod, (const char *path, mode_t mode, dev_t device), (path, mode, device),
       routed_path(path))
REFUSE(mknodat, (int directory, const char *path, mode_t mode, dev_t device),
       (directory, path, mode, device), routed_at(directory, path))
PASS(char *, mkdtemp, (char *path), (path), routed_path(path), (route_refuse(EOPNOTSUPP), NULL))
REFUSE(scandir,
       (const char *restrict path, struct dirent ***restrict names,
        int (*wanted)(const struct dirent *),
        int (*order)(const struct dirent **, const struct dirent **)),
       (path, names, wanted, order), routed_path(path))
ALIAS(int, scandir64, scandir,
      (const char *restrict, struct dirent64 ***restrict, int (*)(const struct dirent64 *),
       int (*)(const struct dirent64 **, const struct dirent64 **)))

ON_FD(int, posix_fadvise, (int fd, off_t offset, off_t size, int advice),
      (fd, offset, size, advice))
ALIAS(int, posix_fadvise64, posix_fadvise, (int, off64_t, off64_t, int))
/* clang-format on */
