/* Directories on the Ceph, read as a whole when they are opened. */
#include "route.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

struct listing { /* what the program takes for a DIR */
    struct listing *next;
    int fd;
    size_t n, at;
    struct dirent *entries;
};

static struct listing *_Atomic listings;
static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;

static struct listing *listing(DIR *directory)
{
    if (likely(!listings))
        return NULL;
    pthread_mutex_lock(&adding);
    struct listing *found = listings;
    while (found && found != (void *)directory)
        found = found->next;
    pthread_mutex_unlock(&adding);
    return found;
}

static void add(struct listing *made)
{
    pthread_mutex_lock(&adding);
    made->next = listings;
    listings = made;
    pthread_mutex_unlock(&adding);
}

static void take_out(struct listing *gone)
{
    pthread_mutex_lock(&adding);
    if (listings == gone)
        listings = gone->next;
    else
        for (struct listing *before = listings; before; before = before->next)
            if (before->next == gone)
                before->next = gone->next;
    pthread_mutex_unlock(&adding);
}

/* ------------------------------------------------------------------------------------- reading */

static int64_t add_entry(struct listing *to, const struct dirent *entry)
{
    if (!(to->n & (to->n - 1))) { /* as many as there is room for: twice as much */
        struct dirent *more = realloc(to->entries, (2 * to->n + 1) * sizeof *more);
        if (!more)
            return -ENOMEM;
        to->entries = more;
    }
    struct dirent *here = &to->entries[to->n++];
    *here = *entry;
    here->d_off = (off_t)to->n;
    return 0;
}

static int64_t read_all(const char *path, struct listing *to)
{
    struct ceph_dir_result *from;
    const struct dirent *entry;
    int64_t error = ceph.opendir(route.mount, path, &from);
    if (error)
        return error;
    while (!error && (entry = ceph.readdir(route.mount, from)))
        error = add_entry(to, entry);
    ceph.closedir(route.mount, from);
    return error;
}

static ON_FILE(int, read_all, (int fd, struct listing *to), read_all(file->path, to))

static void forget(struct listing *gone)
{
    free(gone->entries);
    free(gone);
}

static DIR *list(int fd)
{
    struct listing *made = calloc(1, sizeof *made);
    if (made && route_read_all(fd, made)) {
        forget(made);
        return NULL;
    }
    if (made) {
        made->fd = fd;
        add(made);
    }
    return (DIR *)made;
}

static DIR *list_at(const char *path)
{
    int fd = route_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    DIR *made = fd < 0 ? NULL : list(fd);
    int error = errno;
    if (fd >= 0 && !made)
        close(fd);
    errno = error;
    return made;
}

static int end(struct listing *gone)
{
    int fd = gone->fd;
    take_out(gone);
    forget(gone);
    return close(fd);
}

/* ------------------------------------------------------------------------------------ the calls */

#define ON_LISTING(type, name, parameters, arguments, instead) \
    REAL(type, name, parameters) \
    EXPORT type name parameters \
    { \
        struct listing *here = listing(directory); \
        return likely(!here) ? real_##name() arguments : (type)(instead); \
    }

static struct dirent *next(struct listing *here)
{
    return here->at < here->n ? &here->entries[here->at++] : NULL;
}

static int next_copied(struct listing *here, struct dirent *entry, struct dirent **result)
{
    *result = next(here);
    if (*result)
        *result = (*entry = **result, entry);
    return 0;
}

/* clang-format off */
PASS(DIR *, opendir, (const char *path), (path), routed_path(path), list_at(path))
PASS(DIR *, fdopendir, (int fd), (fd), routed(fd), list(fd))
ON_LISTING(int, closedir, (DIR *directory), (directory), end(here))
ON_LISTING(int, dirfd, (DIR *directory), (directory), here->fd)
ON_LISTING(long, telldir, (DIR *directory), (directory), here->at)
ON_LISTING(struct dirent *, readdir, (DIR *directory), (directory), next(here))
ON_LISTING(int, readdir_r,
           (DIR *restrict directory, struct dirent *restrict entry,
            struct dirent **restrict result),
           (directory, entry, result), next_copied(here, entry, result))
ON_LISTING(void, seekdir, (DIR *directory, long place), (directory, place),
           here->at = (size_t)place)
ON_LISTING(void, rewinddir, (DIR *directory), (directory), here->at = 0)
/* clang-format on */
EXPORT struct dirent64 *readdir64(DIR *) __attribute__((alias("readdir")));
EXPORT int readdir64_r(DIR *restrict, struct dirent64 *restrict, struct dirent64 **restrict)
    __attribute__((alias("readdir_r")));
