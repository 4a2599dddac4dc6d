/* Calls that change or lock a file, or move in it, and carry no bytes. */
#include "emulate.h"
#include "route.h"

#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* `result` is what the record says: a negative error number where the call failed. */
static void managed(struct call *call, const struct descriptor *d, int64_t result,
                    struct what what)
{
    what.layer = LAYER_POSIX;
    what.flags = d->flags & FLAG_DIRECT;
    what.file = descriptor_file(d);
    what.result = result;
    call_end(call, &what);
}

/* Define a wrapper of a call on a descriptor: what it does, its name in the trace, its name,
 * parameters, arguments, and the offset and length of its record. */
#define MANAGE(what_op, called, name, parameters, arguments, where, bytes) \
    UNDER(int, name, parameters, arguments, routed(fd), route_##name arguments) \
    static inline int delayed_##name parameters \
    { \
        int cuts = (what_op) == OP_TRUNCATE; \
        int64_t start = cuts || (what_op) == OP_SYNC ? emulate_start(fd) : 0; \
        int result = under_##name arguments; \
        if (unlikely(start) && cuts && !result) \
            emulate_truncated(fd, start, where); \
        else if (unlikely(start) && !cuts) \
            emulate_sync(fd, start); \
        return result; \
    } \
    EXPORT int name parameters \
    { \
        struct descriptor *d = descriptor(fd); \
        if (likely(!d)) \
            return delayed_##name arguments; \
        struct call call = call_begin(); \
        int result = delayed_##name arguments; \
        call_stop(&call); \
        struct what what = {.op = what_op, .call = CALL_##called, .offset = where, .length = bytes}; \
        managed(&call, d, FAILED(result), what); \
        return result; \
    }

#define FAILED(result) (result < 0 ? -call.error : result)
MANAGE(OP_SYNC, fsync, fsync, (int fd), (fd), -1, 0)
MANAGE(OP_SYNC, fdatasync, fdatasync, (int fd), (fd), -1, 0)
MANAGE(OP_SYNC, sync_file_range, sync_file_range,
       (int fd, off64_t offset, off64_t size, unsigned flags), (fd, offset, size, flags), offset,
       size)
MANAGE(OP_TRUNCATE, ftruncate, ftruncate, (int fd, off_t size), (fd, size), size, 0)
MANAGE(OP_ALLOCATE, fallocate, fallocate, (int fd, int mode, off_t offset, off_t size),
       (fd, mode, offset, size), offset, size)
MANAGE(operation & LOCK_UN ? OP_UNLOCK : OP_LOCK, flock, flock, (int fd, int operation),
       (fd, operation), 0, 0)
#undef FAILED
#define FAILED(result) -result /* it returns the error number, and leaves errno alone */
MANAGE(OP_ALLOCATE, posix_fallocate, posix_fallocate, (int fd, off_t offset, off_t size),
       (fd, offset, size), offset, size)
#undef FAILED
EXPORT int ftruncate64(int, off64_t) __attribute__((alias("ftruncate")));
EXPORT int fallocate64(int, int, off64_t, off64_t) __attribute__((alias("fallocate")));
EXPORT int posix_fallocate64(int, off64_t, off64_t) __attribute__((alias("posix_fallocate")));

UNDER(off_t, lseek, (int fd, off_t offset, int whence), (fd, offset, whence), routed(fd),
      route_lseek(fd, offset, whence))

EXPORT off_t lseek(int fd, off_t offset, int whence)
{
    struct descriptor *d = descriptor(fd);
    if (likely(!d))
        return under_lseek(fd, offset, whence);
    struct call call = call_begin();
    off_t result = under_lseek(fd, offset, whence);
    call_stop(&call);
    if (result >= 0)
        atomic_store_explicit(&d->position, result, memory_order_relaxed);
    struct what what = {.op = OP_SEEK, .call = CALL_lseek, .offset = result};
    managed(&call, d, result < 0 ? -call.error : result, what);
    return result;
}

EXPORT off64_t lseek64(int, off64_t, int) __attribute__((alias("lseek")));

/* ------------------------------------------------------------------------------------ locks */

/* Where a lock begins that counts from the position or from the end of the file. */
static int64_t lock_start(int fd, int whence, int64_t start)
{
    struct stat about;
    int64_t base = 0;
    if (whence == SEEK_CUR)
        base = under_lseek(fd, 0, SEEK_CUR);
    else if (whence == SEEK_END)
        base = fstat(fd, &about) ? -1 : about.st_size;
    return base < 0 ? -1 : base + start;
}

static void locked(struct call *call, int fd, const struct descriptor *d, int result,
                   const struct flock *range)
{
    struct what what = {.op = OP_LOCK, .call = CALL_fcntl, .offset = -1};
    if (call->error != EFAULT || result >= 0) {
        what.op = range->l_type == F_UNLCK ? OP_UNLOCK : OP_LOCK;
        what.offset = lock_start(fd, range->l_whence, range->l_start);
        what.length = range->l_len;
    }
    managed(call, d, result < 0 ? -call->error : result, what);
}

REAL(int, fcntl, (int, int, ...))

/* What isn't told here is asked of the stand-in: F_GETFD, F_SETFD. */
static int fcntl_routed(int fd, int command, void *argument)
{
    switch (command) {
    case F_GETFL:
        return route_get_flags(fd);
    case F_SETFL:
        return route_set_flags(fd, (int)(intptr_t)argument);
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        return route_lock(fd, command, argument);
    }
    int result = real_fcntl()(fd, command, argument);
    if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
        route_copied(fd, result);
    return result;
}

static inline int under_fcntl(int fd, int command, void *argument)
{
    if (routed(fd))
        return fcntl_routed(fd, command, argument);
    int result = real_fcntl()(fd, command, argument);
    if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
        emulate_copied(fd, result);
    return result;
}

static int fcntl_known(int fd, struct descriptor *d, int command, void *argument)
{
    struct call call = call_begin();
    int result = under_fcntl(fd, command, argument);
    call_stop(&call);
    switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        descriptor_copied(fd, result);
        break;
    case F_SETFL:
        if (result >= 0)
            descriptor_flags(d, (int)(intptr_t)argument);
        break;
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        locked(&call, fd, d, result, argument);
    }
    errno = call.error;
    return result;
}

EXPORT int fcntl(int fd, int command, ...)
{
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *); /* whatever it is, it fits */
    va_end(rest);
    struct descriptor *d = descriptor(fd);
    if (likely(!d) || !process_is_ours())
        return under_fcntl(fd, command, argument);
    return fcntl_known(fd, d, command, argument);
}

EXPORT int fcntl64(int, int, ...) __attribute__((alias("fcntl")));

/* ------------------------------------------------------------------- the same in older words */

UNDER(int, lockf, (int fd, int command, off_t size), (fd, command, size), routed(fd),
      route_lockf(fd, command, size))

EXPORT int lockf(int fd, int command, off_t size)
{
    struct descriptor *d = descriptor(fd);
    if (likely(!d) || command == F_TEST)
        return under_lockf(fd, command, size);
    struct call call = call_begin();
    int result = under_lockf(fd, command, size);
    call_stop(&call);
    struct what what = {.op = command == F_ULOCK ? OP_UNLOCK : OP_LOCK, .call = CALL_lockf};
    what.offset = lock_start(fd, SEEK_CUR, 0);
    what.length = size;
    managed(&call, d, result < 0 ? -call.error : result, what);
    return result;
}

EXPORT int lockf64(int, int, off64_t) __attribute__((alias("lockf")));
