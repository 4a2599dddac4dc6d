/* Calls that make and end descriptors. */
#include "emulate.h"
#include "route.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ----------------------------------------------------------------------------------- opening */

static int is_regular(int fd)
{
    struct stat about;
    return !fstat(fd, &about) && S_ISREG(about.st_mode);
}

int32_t opened_file(int fd, int directory, const char *path)
{
    char absolute[PATH_BYTES];
    if (!absolute_path(directory, path, absolute) || !path_wanted(absolute))
        return -1;
    if (fd >= 0 && !is_regular(fd))
        return -1;
    int32_t file = name_of(absolute);
    if (file < 0)
        trace_drop(1);
    return file;
}

/* What a call that opened a file is recorded as; a path that points nowhere isn't looked at. */
static int opened(struct call *call, int fd, int directory, const char *path, int flags, int number)
{
    emulate_opened(fd, directory, path, flags, call->start);
    call_stop(call);
    if (noticing() && (fd >= 0 || call->error != EFAULT)) {
        descriptor_close(fd);
        int32_t file = opened_file(fd, directory, path);
        if (file >= 0) {
            if (fd >= 0)
                descriptor_open(fd, file, flags);
            call_end(call, &(struct what){
                .layer = LAYER_POSIX, .op = OP_OPEN, .call = number, .file = file, .offset = -1,
                .flags = flags & O_DIRECT ? FLAG_DIRECT : 0, .aux = (unsigned)flags,
                .result = fd < 0 ? -call->error : fd});
        }
    }
    errno = call->error;
    return fd;
}

REAL(int, open, (const char *, int, ...))
REAL(int, openat, (int, const char *, int, ...))
UNDER(int, creat, (const char *path, mode_t mode), (path, mode), routed_path(path),
      route_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode))

static int has_mode(int flags)
{
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
}

static int open_here(const char *path, int flags, mode_t mode)
{
    struct call call = call_begin();
    int fd = routed_path(path) ? route_open(AT_FDCWD, path, flags, mode)
                               : real_open()(path, flags, mode);
    return opened(&call, fd, AT_FDCWD, path, flags, CALL_open);
}

static int open_in(int directory, const char *path, int flags, mode_t mode)
{
    struct call call = call_begin();
    int fd = routed_at(directory, path) ? route_open(directory, path, flags, mode)
                                        : real_openat()(directory, path, flags, mode);
    return opened(&call, fd, directory, path, flags, CALL_openat);
}

static mode_t next_mode(int flags, va_list rest)
{
    return has_mode(flags) ? va_arg(rest, mode_t) : 0;
}

EXPORT int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = next_mode(flags, rest);
    va_end(rest);
    return open_here(path, flags, mode);
}

EXPORT int openat(int directory, const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = next_mode(flags, rest);
    va_end(rest);
    return open_in(directory, path, flags, mode);
}

EXPORT int creat(const char *path, mode_t mode)
{
    struct call call = call_begin();
    int fd = under_creat(path, mode);
    return opened(&call, fd, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, CALL_creat);
}

EXPORT int open64(const char *, int, ...) __attribute__((alias("open")));
EXPORT int openat64(int, const char *, int, ...) __attribute__((alias("openat")));
EXPORT int creat64(const char *, mode_t) __attribute__((alias("creat")));

/* What -D_FORTIFY_SOURCE makes of them: they refuse flags that want a mode. */
REAL(int, __open_2, (const char *, int))
REAL(int, __openat_2, (int, const char *, int))
int __open_2(const char *, int), __openat_2(int, const char *, int);
int __open64_2(const char *, int), __openat64_2(int, const char *, int);

EXPORT int __open_2(const char *path, int flags)
{
    return has_mode(flags) ? real___open_2()(path, flags) : open_here(path, flags, 0);
}

EXPORT int __openat_2(int directory, const char *path, int flags)
{
    return has_mode(flags) ? real___openat_2()(directory, path, flags)
                           : open_in(directory, path, flags, 0);
}

EXPORT int __open64_2(const char *, int) __attribute__((alias("__open_2")));
EXPORT int __openat64_2(int, const char *, int) __attribute__((alias("__openat_2")));

/* Temporary files: libc opens them itself. The name is there after the call. */
#define TEMPORARY(name, parameters, arguments, flags) \
    UNDER(int, name, parameters, arguments, routed_path(path), route_refuse(EOPNOTSUPP)) \
    EXPORT int name parameters \
    { \
        struct call call = call_begin(); \
        int fd = under_##name arguments; \
        return opened(&call, fd, AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL | (flags), \
                      CALL_mkstemp); \
    }
TEMPORARY(mkstemp, (char *path), (path), 0)
TEMPORARY(mkostemp, (char *path, int flags), (path, flags), flags)
TEMPORARY(mkstemps, (char *path, int after), (path, after), 0)
TEMPORARY(mkostemps, (char *path, int after, int flags), (path, after, flags), flags)
EXPORT int mkstemp64(char *) __attribute__((alias("mkstemp")));
EXPORT int mkostemp64(char *, int) __attribute__((alias("mkostemp")));
EXPORT int mkstemps64(char *, int) __attribute__((alias("mkstemps")));
EXPORT int mkostemps64(char *, int, int) __attribute__((alias("mkostemps")));

/* ----------------------------------------------------------------------------------- closing */

REAL(int, close, (int))

static inline int under_close(int fd)
{
    int error = routed(fd) ? route_closed(fd) : 0;
    if (unlikely(emulating))
        emulate_drain(fd);
    int64_t start = emulate_start(fd);
    int32_t file = emulate_forget(fd); /* before: another thread may get the same number at once */
    int result = real_close()(fd);
    if (unlikely(file))
        emulate_closed(file, start);
    return unlikely(error) ? route_refuse(error) : result;
}

EXPORT int close(int fd)
{
    struct descriptor *d = descriptor(fd);
    if (likely(!d) || !process_is_ours())
        return under_close(fd);
    struct what what = {.layer = LAYER_POSIX, .op = OP_CLOSE, .call = CALL_close, .offset = -1};
    what.file = descriptor_file(d);
    what.flags = d->flags & FLAG_DIRECT;
    descriptor_close(fd); /* before: another thread may get the same number at once */
    struct call call = call_begin();
    int result = under_close(fd);
    call_stop(&call);
    what.result = result < 0 ? -call.error : result;
    call_end(&call, &what);
    return result;
}

#if __GLIBC_PREREQ(2, 34)
/* All of a range: each of our files is one close, as if they had been closed one by one. That
 * libcephfs has descriptors isn't known to who closes all: it lets go of them first. */
static void close_all(unsigned first, unsigned last)
{
    route_unmount();
    for (unsigned fd = first; fd < MOST_DESCRIPTORS && fd <= last; fd++)
        if (descriptor((int)fd) || routed((int)fd) || emulate_start((int)fd))
            close((int)fd);
}

static int follows(void) /* descriptors: then each has to be looked at */
{
    return routing || emulating || (process && process_is_ours());
}

REAL(int, close_range, (unsigned, unsigned, int))
REAL(void, closefrom, (int))

EXPORT int close_range(unsigned first, unsigned last, int flags)
{
    if (!flags && first <= last && follows())
        close_all(first, last);
    return real_close_range()(first, last, flags);
}

EXPORT void closefrom(int first)
{
    if (follows())
        close_all(first < 0 ? 0 : (unsigned)first, MOST_DESCRIPTORS);
    real_closefrom()(first);
}
#endif

/* --------------------------------------------------------------------------------- copying */

int descriptor_copied(int from, int to)
{
    if (unlikely(routing))
        route_copied(from, to);
    emulate_copied(from, to);
    if (to >= 0 && to != from && process && process_is_ours()) {
        int error = errno;
        descriptor_copy(from, to);
        errno = error;
    }
    return to;
}

REAL(int, dup, (int))
REAL(int, dup2, (int, int))
REAL(int, dup3, (int, int, int))

EXPORT int dup(int fd)
{
    return descriptor_copied(fd, real_dup()(fd));
}

EXPORT int dup2(int fd, int to)
{
    return descriptor_copied(fd, real_dup2()(fd, to));
}

EXPORT int dup3(int fd, int to, int flags)
{
    return descriptor_copied(fd, real_dup3()(fd, to, flags));
}
