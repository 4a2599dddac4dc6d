/* Which paths are routed; the mount, from the first call to the end of the process. */
#include "route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int routing;
struct route route;

/* ----------------------------------------------------------------------------------- paths */

int route_path(int directory, const char *path, char out[PATH_BYTES])
{
    static const char aside[] = "/proc/self/root"; /* the same files by another name */
    char absolute[PATH_BYTES], *at = absolute;
    size_t bytes = strlen(route.prefix);
    if (me.quiet || !absolute_path(directory, path, absolute))
        return 0;
    if (!strncmp(at, aside, sizeof aside - 1))
        at += sizeof aside - 1;
    if (strncmp(at, route.prefix, bytes) || (at[bytes] && at[bytes] != '/'))
        return 0;
    strcpy(out, at[bytes] ? at + bytes : "/");
    return 1;
}

int route_wants(int directory, const char *path)
{
    char inside[PATH_BYTES];
    return route_path(directory, path, inside);
}

/* ------------------------------------------------------------------------------- the mount */

static pthread_mutex_t mounting = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int inside; /* calls under way */
static int failed;         /* why there is no mount, and never will be */
static pid_t owner;

static int complain(const char *what, int error)
{
    dprintf(2, "piotutor: the Ceph of %s %s: %s\n", route.conf, what, strerror(-error));
    return -EIO;
}

/* A Ceph that isn't there is waited for at most as long as at the end, unless told otherwise. */
static int configure(struct ceph_mount_info *mount)
{
    static const char option[] = "client_mount_timeout", usual[] = "300";
    char told[32] = "", wait[32];
    int error = ceph.conf_read_file(mount, route.conf);
    snprintf(wait, sizeof wait, "%d", route.wait);
    if (!error && ceph.conf_get(mount, option, told, sizeof told) >= 0 && !strcmp(told, usual))
        error = ceph.conf_set(mount, option, wait);
    return error;
}

static int mount_now(void)
{
    struct ceph_mount_info *mount;
    if (!ceph.create && !ceph_load(route.library))
        return -ELIBACC;
    int error = ceph.create(&mount, NULL);
    if (error)
        return complain("can't be prepared", error);
    if ((error = configure(mount)) || (error = ceph.mount(mount, route.root))) {
        ceph.release(mount);
        return complain("can't be mounted", error);
    }
    route.number++;
    atomic_store(&route.mount, mount);
    return 0;
}

static void at_exit(int status, void *unused);
static void at_quick(void);

/* The end is registered after libcephfs was loaded: so it comes before that library's own. */
static int mount_once(void)
{
    static int registered;
    pthread_mutex_lock(&mounting);
    if (!route.mount && !failed)
        failed = mount_now();
    if (!failed && !registered++) {
        on_exit(at_exit, NULL);
        at_quick_exit(at_quick);
    }
    int error = failed;
    pthread_mutex_unlock(&mounting);
    return error;
}

int route_begin(void)
{
    me.quiet++;
    inside++;
    return likely(getpid() == owner); /* no: a child by vfork, which borrows our memory */
}

int route_enter(void)
{
    if (!route_begin())
        return -EBADF;
    return likely(route.mount != NULL) ? 0 : mount_once();
}

int64_t route_leave(int64_t result)
{
    inside--;
    me.quiet--;
    if (result >= 0)
        return result;
    errno = (int)-result;
    return -1;
}

/* --------------------------------------------------------------------------------- the end */

static const struct timespec moment = {.tv_nsec = 1000000};

static void *end_mount(void *unused)
{
    while (inside)
        nanosleep(&moment, NULL);
    route_close_all();
    ceph.unmount(route.mount);
    ceph.release(route.mount);
    route.mount = NULL;
    return unused;
}

/* In a thread of its own: whether the servers still answer isn't known. */
static int end_in_time(void)
{
    pthread_t thread;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += route.wait;
    me.quiet++;
    int error = pthread_create(&thread, NULL, end_mount, NULL);
    if (!error)
        error = pthread_timedjoin_np(thread, NULL, &until);
    me.quiet--;
    if (error)
        complain("takes no more: what was written may be lost", -error);
    return !error;
}

/* `more`: the next call mounts again. A thread that is on its way to do so has to wait. */
static int unmount(int more)
{
    int whole = 1;
    if (!routing || getpid() != owner)
        return 1;
    pthread_mutex_lock(&mounting);
    if (!more && !failed)
        failed = -EIO;
    if (route.mount)
        whole = end_in_time();
    pthread_mutex_unlock(&mounting);
    return whole;
}

void route_unmount(void)
{
    unmount(1);
}

int route_finish(int status)
{
    return unmount(0) || status ? status : 1;
}

static void at_quick(void)
{
    unmount(0);
}

/* Without the servers libcephfs can't end its threads, and mustn't take itself apart. */
static void at_exit(int status, void *unused)
{
    (void)unused;
    if (getpid() == owner)
        route_flush_streams();
    if (!unmount(0))
        syscall(SYS_exit_group, status ? status : 1);
}

/* ---------------------------------------------------------------------------------- a fork */

/* A copy of libcephfs whose threads are gone is of no use, and whoever mounts in it waits for them
 * for ever: so there is no mount while a process forks. Each mounts again when it needs to. */
static void before_fork(void)
{
    pthread_mutex_lock(&mounting);
    if (route.mount && getpid() == owner)
        end_in_time();
    route_lock_files();
}

static void after_fork(void)
{
    route_unlock_files();
    pthread_mutex_unlock(&mounting);
}

static void in_child(void)
{
    route.mount = NULL;
    inside = 0;
    failed = 0;
    owner = getpid();
    route_own_files();
    after_fork();
}

/* --------------------------------------------------------------------------------- the start */

static const char *told(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return keep_text(value && *value ? value : otherwise);
}

/* libcephfs takes no notice of it. */
REAL(mode_t, umask, (mode_t))

EXPORT mode_t umask(mode_t mask)
{
    route.umask = mask & 0777;
    return real_umask()(mask);
}

__attribute__((constructor)) static void construct(void)
{
    char prefix[PATH_BYTES];
    if (!absolute_path(AT_FDCWD, getenv("PIOTUTOR_ROUTE_PREFIX"), prefix) || !prefix[1])
        return;
    route.prefix = keep_text(prefix);
    route.root = told("PIOTUTOR_ROUTE_ROOT", "/");
    route.conf = told("PIOTUTOR_ROUTE_CONF", "/etc/ceph/ceph.conf");
    route.library = told("PIOTUTOR_ROUTE_LIBRARY", "libcephfs.so.2");
    route.shadow = told("PIOTUTOR_ROUTE_SHADOW", "");
    route.wait = atoi(told("PIOTUTOR_ROUTE_WAIT", "20"));
    umask(umask(077));
    owner = getpid();
    pthread_atfork(before_fork, after_fork, in_child);
    routing = 1;
}
