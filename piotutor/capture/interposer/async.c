/* Transfers that are only begun: the bytes of the record are those asked for. */
#include "route.h"

#include <aio.h>

static int begun(struct call *call, const struct descriptor *d, const struct aiocb *request,
                 int result, struct what what)
{
    call_stop(call);
    what.layer = LAYER_POSIX;
    what.flags = (d->flags & FLAG_DIRECT) | FLAG_NONBLOCKING;
    what.file = descriptor_file(d);
    what.offset = what.op == OP_SYNC ? -1 : request->aio_offset;
    what.length = what.op == OP_SYNC ? 0 : (int64_t)request->aio_nbytes;
    what.result = result < 0 ? -call->error : what.length;
    call_end(call, &what);
    return result;
}

#define BEGIN(what_op, name, parameters, arguments, operation) \
    UNDER(int, name, parameters, arguments, routed(request->aio_fildes), \
          route_aio(request, operation)) \
    EXPORT int name parameters \
    { \
        struct descriptor *d = descriptor(request->aio_fildes); \
        if (likely(!d)) \
            return under_##name arguments; \
        struct call call = call_begin(); \
        int result = under_##name arguments; \
        struct what what = {.op = what_op, .call = CALL_##name}; \
        return begun(&call, d, request, result, what); \
    }

BEGIN(OP_READ, aio_read, (struct aiocb *request), (request), LIO_READ)
BEGIN(OP_WRITE, aio_write, (struct aiocb *request), (request), LIO_WRITE)
BEGIN(OP_SYNC, aio_fsync, (int kind, struct aiocb *request), (kind, request), LIO_NOP)
EXPORT int aio_read64(struct aiocb64 *) __attribute__((alias("aio_read")));
EXPORT int aio_write64(struct aiocb64 *) __attribute__((alias("aio_write")));
EXPORT int aio_fsync64(int, struct aiocb64 *) __attribute__((alias("aio_fsync")));
