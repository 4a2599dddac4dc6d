/* Names of routed files: made, changed and removed. */
#include "route.h"

#include <sys/stat.h>

ON_PATH(int, truncate, (const char *path, off_t size), AT_FDCWD, path,
        size < 0 ? -EINVAL : ceph.truncate(route.mount, where, size))
ON_PATH(int, unlink, (int directory, const char *path, int flags), directory, path,
        flags & AT_REMOVEDIR ? ceph.rmdir(route.mount, where) : ceph.unlink(route.mount, where))
ON_PATH(int, mkdir, (int directory, const char *path, mode_t mode), directory, path,
        ceph.mkdir(route.mount, where, mode & ~route.umask))
ON_PATH(int, chmod, (int directory, const char *path, mode_t mode), directory, path,
        ceph.chmod(route.mount, where, mode))

int route_remove(const char *path)
{
    struct stat about;
    if (route_stat(AT_FDCWD, path, &about, AT_SYMLINK_NOFOLLOW))
        return -1;
    return route_unlink(AT_FDCWD, path, S_ISDIR(about.st_mode) ? AT_REMOVEDIR : 0);
}

int route_rename(int from, const char *old, int to, const char *new, unsigned flags)
{
    char here[PATH_BYTES], there[PATH_BYTES];
    if (!route_path(from, old, here) || !route_path(to, new, there))
        return route_refuse(EXDEV); /* one of the two lies elsewhere */
    if (flags)
        return route_refuse(EINVAL);
    int error = route_enter();
    return (int)route_leave(error ? error : ceph.rename(route.mount, here, there));
}

/* ---------------------------------------------------------------------------- attributes */

/* Define the call on a path, on a link itself, and on an open file. */
#define ATTRIBUTE(type, name, parameters, arguments) \
    ON_PATH(type, name, (const char *path, UNPACK parameters), AT_FDCWD, path, \
            ceph.name(route.mount, where, UNPACK arguments)) \
    ON_PATH(type, l##name, (const char *path, UNPACK parameters), AT_FDCWD, path, \
            ceph.l##name(route.mount, where, UNPACK arguments)) \
    ON_HANDLE(type, f##name, (int fd, UNPACK parameters), \
              ceph.f##name(route.mount, handle, UNPACK arguments))
#define UNPACK(...) __VA_ARGS__

ATTRIBUTE(ssize_t, getxattr, (const char *name, void *value, size_t size), (name, value, size))
ATTRIBUTE(int, setxattr, (const char *name, const void *value, size_t size, int flags),
          (name, value, size, flags))
ATTRIBUTE(ssize_t, listxattr, (char *list, size_t size), (list, size))
ATTRIBUTE(int, removexattr, (const char *name), (name))
