/* Routed files: their descriptors, and what libcephfs calls them. */
#include "route.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Atomic(struct routed *) routes[MOST_DESCRIPTORS];
static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER; /* of routes, and of users */
static int highest = -1;                                  /* descriptor ever routed */
static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;

/* --------------------------------------------------------------------------------- for one call */

struct routed *route_take(int fd, int *error)
{
    *error = route_enter();
    if (*error)
        return NULL;
    pthread_mutex_lock(&table);
    struct routed *file = routes[fd];
    if (file)
        file->users++;
    pthread_mutex_unlock(&table);
    *error = file ? 0 : -EBADF;
    return file;
}

static int close_handles(struct routed *file)
{
    int first = 0, ours = route.mount && file->number == route.number;
    for (int way = 0; way < 2; way++) {
        int error = ours && file->handles[way] >= 0 ? ceph.close(route.mount, file->handles[way]) : 0;
        first = first ? first : error;
        file->handles[way] = -1;
    }
    return first;
}

static int end_file(struct routed *file)
{
    int error = close_handles(file);
    if (file->shadow >= 0)
        close(file->shadow);
    free(file);
    return error;
}

/* Whoever leaves last ends it, and learns what went wrong with what was yet to be written. */
static int leave_file(struct routed *file)
{
    pthread_mutex_lock(&table);
    int last = !--file->users;
    pthread_mutex_unlock(&table);
    return last ? end_file(file) : 0;
}

int64_t route_give(struct routed *file, int64_t result)
{
    if (file)
        leave_file(file);
    return route_leave(result);
}

/* ------------------------------------------------------------------------------------- handles */

/* A later one is of the same file: it is neither made nor emptied again. */
static int handle_for(struct routed *file, int way)
{
    int flags = (file->flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_DIRECT)) | (way ? O_DIRECT : 0);
    if (file->number != route.number)
        file->handles[0] = file->handles[1] = -1;
    file->number = route.number;
    if (file->handles[way] < 0)
        file->handles[way] = ceph.open(route.mount, file->path, flags, 0);
    return file->handles[way];
}

int route_handle(struct routed *file)
{
    pthread_mutex_lock(&file->lock);
    int handle = handle_for(file, file->flags & O_DIRECT ? 1 : 0);
    pthread_mutex_unlock(&file->lock);
    return handle;
}

int64_t route_size(struct routed *file)
{
    struct ceph_statx about;
    int handle = route_handle(file);
    int error = handle < 0 ? handle
                           : ceph.fstatx(route.mount, handle, &about, CEPH_STATX_SIZE, 0);
    return error < 0 ? error : (int64_t)about.size;
}

/* --------------------------------------------------------------------------- opening and closing */

/* Nothing can be read, written, mapped or opened by it; nor is anything found beside it. */
static int stand_in(int flags)
{
    int fd = open("/proc/self", O_PATH | O_NOFOLLOW | (flags & O_CLOEXEC));
    if (fd < (int)MOST_DESCRIPTORS)
        return fd;
    close(fd);
    return route_refuse(EMFILE);
}

static struct routed *new_file(const char *path, int flags)
{
    struct routed *file = calloc(1, sizeof *file + strlen(path) + 1);
    if (!file)
        return NULL;
    file->lock = file->turn = unlocked;
    file->users = 1;
    file->flags = flags;
    file->shadow = -1;
    strcpy(file->path, path);
    return file;
}

static void put_file(int fd, struct routed *file)
{
    pthread_mutex_lock(&table);
    atomic_store(&routes[fd], file);
    highest = fd > highest ? fd : highest;
    pthread_mutex_unlock(&table);
}

/* The file is opened first: a call that fails leaves nothing behind. */
static int64_t open_file(const char *path, int flags, mode_t mode)
{
    int handle = ceph.open(route.mount, path, flags & ~O_CLOEXEC, mode & ~route.umask);
    if (handle < 0)
        return handle;
    int fd = stand_in(flags), error = fd < 0 ? -errno : 0;
    struct routed *file = error ? NULL : new_file(path, flags & ~O_CLOEXEC);
    if (!file) {
        ceph.close(route.mount, handle);
        return error ? error : -ENOMEM;
    }
    int way = flags & O_DIRECT ? 1 : 0;
    file->number = route.number;
    file->handles[way] = handle;
    file->handles[!way] = -1;
    put_file(fd, file);
    return fd;
}

ON_PATH(int, open, (int directory, const char *path, int flags, mode_t mode), directory, path,
        open_file(where, flags, mode))

static struct routed *take_away(int fd, struct routed *other)
{
    pthread_mutex_lock(&table);
    struct routed *file = atomic_exchange(&routes[fd], other);
    if (other)
        other->users++;
    highest = other && fd > highest ? fd : highest;
    pthread_mutex_unlock(&table);
    return file;
}

int route_closed(int fd)
{
    struct routed *file = route_begin() ? take_away(fd, NULL) : NULL;
    int error = file ? -leave_file(file) : 0;
    route_leave(0);
    return error;
}

/* In a child by vfork the table is its parent's, who keeps what it has. */
void route_copied(int from, int to)
{
    if (to < 0 || to >= MOST_DESCRIPTORS || from == to || (!routed(from) && !routed(to)))
        return;
    if (route_begin()) {
        struct routed *old = take_away(to, routes[from]);
        if (old)
            leave_file(old);
    }
    route_leave(0);
}

size_t route_directory(int fd, char out[PATH_BYTES])
{
    size_t bytes = 0;
    int error;
    struct routed *file = route_take(fd, &error);
    if (file && strlen(route.prefix) + strlen(file->path) < PATH_BYTES)
        bytes = strlen(strcat(strcpy(out, route.prefix), file->path[1] ? file->path : ""));
    route_give(file, 0);
    return bytes;
}

/* ------------------------------------------------------------------------------- all of them */

void route_close_all(void)
{
    pthread_mutex_lock(&table);
    for (int fd = 0; fd <= highest; fd++)
        if (routes[fd])
            close_handles(routes[fd]);
    pthread_mutex_unlock(&table);
}

void route_lock_files(void)
{
    pthread_mutex_lock(&table);
}

void route_unlock_files(void)
{
    pthread_mutex_unlock(&table);
}

void route_own_files(void)
{
    for (int fd = 0; fd <= highest; fd++)
        if (routes[fd]) /* a thread that held one isn't here */
            routes[fd]->lock = routes[fd]->turn = unlocked;
}
