/* Calls that move bytes from one descriptor to another: a read of the one, a write of the other. */
#include "emulate.h"
#include "route.h"

#include <sys/sendfile.h>
#include <unistd.h>

/* One end of such a call; `offset` is the program's, which the call has moved on, or NULL. */
struct side {
    int fd;
    const off64_t *offset;
    enum op op;
};

static void tell(struct call call, struct side side, struct what what)
{
    struct descriptor *d = descriptor(side.fd);
    if (!d)
        return;
    int64_t moved = what.result > 0 ? what.result : 0;
    what.op = side.op;
    what.flags = d->flags & FLAG_DIRECT;
    what.file = descriptor_file(d);
    if (!side.offset)
        what.offset = position_before(side.fd, d, moved);
    else
        what.offset = call.error == EFAULT && what.result < 0 ? -1 : *side.offset - moved;
    call_end(&call, &what);
}

static void emulate_side(struct side side, int64_t start, ssize_t got)
{
    if (got > 0)
        emulate_move(side.fd, side.op, start, side.offset ? *side.offset - got : -1, got);
}

static ssize_t copied(struct call *call, struct side from, struct side to, ssize_t got, int number)
{
    call_stop(call);
    struct what what = {.layer = LAYER_POSIX, .call = number};
    what.result = got < 0 ? -call->error : got;
    what.length = got < 0 ? 0 : got; /* what is asked for is often just "all" */
    tell(*call, from, what);
    tell(*call, to, what);
    errno = call->error;
    return got;
}

/* With a routed file it fails as those do that programs then copy without: by `error`. */
#define COPY(name, parameters, arguments, from, from_offset, to, to_offset, error) \
    UNDER(ssize_t, name, parameters, arguments, routed(from) || routed(to), route_refuse(error)) \
    static inline ssize_t delayed_##name parameters \
    { \
        int64_t reads = emulate_start(from), writes = emulate_start(to); \
        ssize_t got = under_##name arguments; \
        if (unlikely(reads)) \
            emulate_side((struct side){from, from_offset, OP_READ}, reads, got); \
        if (unlikely(writes)) \
            emulate_side((struct side){to, to_offset, OP_WRITE}, now(), got); \
        return got; \
    } \
    EXPORT ssize_t name parameters \
    { \
        if (!descriptor(from) && !descriptor(to)) \
            return delayed_##name arguments; \
        struct call call = call_begin(); \
        ssize_t got = delayed_##name arguments; \
        return copied(&call, (struct side){from, from_offset, OP_READ}, \
                      (struct side){to, to_offset, OP_WRITE}, got, CALL_##name); \
    }

COPY(sendfile, (int out, int in, off_t *offset, size_t size), (out, in, offset, size), in, offset,
     out, NULL, EINVAL)
COPY(splice,
     (int in, off64_t *in_at, int out, off64_t *out_at, size_t size, unsigned flags),
     (in, in_at, out, out_at, size, flags), in, in_at, out, out_at, EINVAL)
#if __GLIBC_PREREQ(2, 27)
COPY(copy_file_range,
     (int in, off64_t *in_at, int out, off64_t *out_at, size_t size, unsigned flags),
     (in, in_at, out, out_at, size, flags), in, in_at, out, out_at, EXDEV)
#endif
EXPORT ssize_t sendfile64(int, int, off64_t *, size_t) __attribute__((alias("sendfile")));
