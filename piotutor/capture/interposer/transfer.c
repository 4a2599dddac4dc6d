/* Calls that move bytes between memory and a file. */
#include "emulate.h"
#include "route.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define HERE INT64_MIN /* offset: where the position is */

static ssize_t transferred(struct call *call, int fd, struct descriptor *d, ssize_t got,
                           struct what *what)
{
    if (what->offset == HERE)
        what->offset = position_before(fd, d, got);
    what->layer = LAYER_POSIX;
    what->flags = d->flags & FLAG_DIRECT;
    what->file = descriptor_file(d);
    what->result = got < 0 ? -call->error : got;
    call_end(call, what);
    return got;
}

/* Bytes that a vector asks for, read after the call: if it points nowhere, that says so. */
static int64_t vector_bytes(const struct iovec *vector, int n, ssize_t got)
{
    int64_t bytes = 0;
    if (got < 0 && errno == EFAULT)
        return 0;
    for (int i = 0; i < n && i < 1024; i++)
        bytes += (int64_t)vector[i].iov_len;
    return bytes;
}

/* Define a wrapper: MOVE(what it does, its name in the trace, its type, its name, its parameters,
 * its arguments, what it is on a routed file, the offset, the bytes asked for). */
#define MOVE(what_op, called, type, name, parameters, arguments, instead, where, asked) \
    UNDER(type, name, parameters, arguments, routed(fd), instead) \
    static inline type delayed_##name parameters \
    { \
        int64_t start = emulate_start(fd); \
        type got = under_##name arguments; \
        if (unlikely(start)) \
            emulate_move(fd, what_op, start, where, got); \
        return got; \
    } \
    EXPORT type name parameters \
    { \
        struct descriptor *d = descriptor(fd); \
        if (likely(!d)) \
            return delayed_##name arguments; \
        struct call call = call_begin(); \
        type got = delayed_##name arguments; \
        call_stop(&call); \
        struct what what = {.op = what_op, .call = CALL_##called}; \
        what.offset = where; \
        what.length = (int64_t)(asked); \
        return (type)transferred(&call, fd, d, got, &what); \
    }
#define TRANSFER(op, called, name, parameters, arguments, where, asked) \
    MOVE(op, called, ssize_t, name, parameters, arguments, route_##called arguments, where, asked)

/* clang-format off */
TRANSFER(OP_READ, read, read, (int fd, void *buffer, size_t size), (fd, buffer, size), HERE, size)
TRANSFER(OP_WRITE, write, write, (int fd, const void *buffer, size_t size), (fd, buffer, size),
         HERE, size)
TRANSFER(OP_READ, pread, pread, (int fd, void *buffer, size_t size, off_t offset),
         (fd, buffer, size, offset), offset, size)
TRANSFER(OP_WRITE, pwrite, pwrite, (int fd, const void *buffer, size_t size, off_t offset),
         (fd, buffer, size, offset), offset, size)

TRANSFER(OP_READ, readv, readv, (int fd, const struct iovec *vector, int n), (fd, vector, n), HERE,
         vector_bytes(vector, n, got))
TRANSFER(OP_WRITE, writev, writev, (int fd, const struct iovec *vector, int n), (fd, vector, n),
         HERE, vector_bytes(vector, n, got))
TRANSFER(OP_READ, preadv, preadv, (int fd, const struct iovec *vector, int n, off_t offset),
         (fd, vector, n, offset), offset, vector_bytes(vector, n, got))
TRANSFER(OP_WRITE, pwritev, pwritev, (int fd, const struct iovec *vector, int n, off_t offset),
         (fd, vector, n, offset), offset, vector_bytes(vector, n, got))
TRANSFER(OP_READ, preadv2, preadv2,
         (int fd, const struct iovec *vector, int n, off_t offset, int flags),
         (fd, vector, n, offset, flags), offset == -1 ? HERE : offset,
         vector_bytes(vector, n, got))
TRANSFER(OP_WRITE, pwritev2, pwritev2,
         (int fd, const struct iovec *vector, int n, off_t offset, int flags),
         (fd, vector, n, offset, flags), offset == -1 ? HERE : offset,
         vector_bytes(vector, n, got))

/* What -D_FORTIFY_SOURCE makes of them. */
ssize_t __read_chk(int, void *, size_t, size_t);
ssize_t __pread_chk(int, void *, size_t, off_t, size_t);
MOVE(OP_READ, read, ssize_t, __read_chk, (int fd, void *buffer, size_t size, size_t room),
     (fd, buffer, size, room), route_read(fd, buffer, size), HERE, size)
MOVE(OP_READ, pread, ssize_t, __pread_chk,
     (int fd, void *buffer, size_t size, off_t offset, size_t room),
     (fd, buffer, size, offset, room), route_pread(fd, buffer, size, offset), offset, size)

static int route_vdprintf(int fd, const char *format, va_list words)
{
    char *text;
    int bytes = vasprintf(&text, format, words);
    if (bytes < 0)
        return bytes;
    int got = (int)route_write(fd, text, (size_t)bytes);
    free(text);
    return got;
}

int __vdprintf_chk(int, int, const char *, va_list), __dprintf_chk(int, int, const char *, ...);
MOVE(OP_WRITE, dprintf, int, vdprintf, (int fd, const char *format, va_list words),
     (fd, format, words), route_vdprintf(fd, format, words), HERE, got < 0 ? 0 : got)
MOVE(OP_WRITE, dprintf, int, __vdprintf_chk,
     (int fd, int flag, const char *format, va_list words), (fd, flag, format, words),
     route_vdprintf(fd, format, words), HERE, got < 0 ? 0 : got)

EXPORT int dprintf(int fd, const char *format, ...)
{
    va_list words;
    va_start(words, format);
    int result = vdprintf(fd, format, words);
    va_end(words);
    return result;
}

EXPORT int __dprintf_chk(int fd, int flag, const char *format, ...)
{
    va_list words;
    va_start(words, format);
    int result = __vdprintf_chk(fd, flag, format, words);
    va_end(words);
    return result;
}

/* Where off_t has 64 bits these are the same functions. */
#define ALIAS(name, other, parameters) \
    EXPORT ssize_t name parameters __attribute__((alias(#other)));
ALIAS(pread64, pread, (int, void *, size_t, off64_t))
ALIAS(pwrite64, pwrite, (int, const void *, size_t, off64_t))
ALIAS(preadv64, preadv, (int, const struct iovec *, int, off64_t))
ALIAS(pwritev64, pwritev, (int, const struct iovec *, int, off64_t))
ALIAS(preadv64v2, preadv2, (int, const struct iovec *, int, off64_t, int))
ALIAS(pwritev64v2, pwritev2, (int, const struct iovec *, int, off64_t, int))
ssize_t __pread64_chk(int, void *, size_t, off64_t, size_t);
ALIAS(__pread64_chk, __pread_chk, (int, void *, size_t, off64_t, size_t))
