/* Transfers that are only begun: the bytes of the record are those asked for. */
#include "async.h"

#include "emulate.h"
#include "route.h"

static void tell(struct call call, const struct aiocb *request, struct what what)
{
    const struct descriptor *d = descriptor(request->aio_fildes);
    if (!d)
        return;
    what.layer = LAYER_POSIX;
    what.flags |= d->flags & FLAG_DIRECT;
    what.file = descriptor_file(d);
    what.offset = what.op == OP_SYNC ? -1 : request->aio_offset;
    what.length = what.op == OP_SYNC ? 0 : (int64_t)request->aio_nbytes;
    if (what.result >= 0 && what.flags & FLAG_NONBLOCKING)
        what.result = what.length;
    call_end(&call, &what);
}

static inline int is_elsewhere(const struct aiocb *request)
{
    return routed(request->aio_fildes) || (unlikely(emulating) && emulate_takes(request));
}

static int begin_elsewhere(struct aiocb *request, int operation)
{
    return routed(request->aio_fildes) ? route_aio(request, operation)
                                       : emulate_begin(request, operation);
}

#define BEGIN(what_op, name, parameters, arguments, operation) \
    UNDER(int, name, parameters, arguments, is_elsewhere(request), \
          begin_elsewhere(request, operation)) \
    EXPORT int name parameters \
    { \
        if (likely(!descriptor(request->aio_fildes))) \
            return under_##name arguments; \
        struct call call = call_begin(); \
        int result = under_##name arguments; \
        call_stop(&call); \
        struct what what = {.op = what_op, .call = CALL_##name, .flags = FLAG_NONBLOCKING}; \
        what.result = result < 0 ? -call.error : 0; \
        tell(call, request, what); \
        return result; \
    }

BEGIN(OP_READ, aio_read, (struct aiocb *request), (request), LIO_READ)
BEGIN(OP_WRITE, aio_write, (struct aiocb *request), (request), LIO_WRITE)
BEGIN(OP_SYNC, aio_fsync, (int kind, struct aiocb *request), (kind, request), LIO_NOP)
EXPORT int aio_read64(struct aiocb64 *) __attribute__((alias("aio_read")));
EXPORT int aio_write64(struct aiocb64 *) __attribute__((alias("aio_write")));
EXPORT int aio_fsync64(int, struct aiocb64 *) __attribute__((alias("aio_fsync")));

/* ------------------------------------------------------------------------------- many at once */

REAL(int, lio_listio,
     (int, struct aiocb *const[restrict], int, struct sigevent *restrict))

static int under_lio_listio(int mode, struct aiocb *const list[], int n, struct sigevent *event)
{
    if (unlikely(routing) && route_any(list, n))
        return route_lio_listio(list, n, event);
    if (unlikely(emulating) && emulate_takes_list(mode, list, n, event))
        return emulate_list(mode, list, n);
    return real_lio_listio()(mode, list, n, event);
}

/* A record for each: where the call waits, with what it moved. */
static void tell_one(struct call call, const struct aiocb *request, int waits, int result)
{
    struct what what = {.op = request->aio_lio_opcode == LIO_READ ? OP_READ : OP_WRITE,
                        .call = CALL_lio_listio,
                        .flags = waits ? 0 : FLAG_NONBLOCKING};
    if (waits && !is_under_way(request))
        what.result = request->__error_code ? -request->__error_code : request->__return_value;
    else if (result < 0)
        what.result = -call.error;
    tell(call, request, what);
}

EXPORT int lio_listio(int mode, struct aiocb *const list[restrict], int n,
                      struct sigevent *restrict event)
{
    struct call call = call_begin();
    int result = under_lio_listio(mode, list, n, event);
    call_stop(&call);
    for (int i = 0; i < n; i++)
        if (list[i] && list[i]->aio_lio_opcode != LIO_NOP)
            tell_one(call, list[i], mode == LIO_WAIT, result);
    errno = call.error;
    return result;
}

EXPORT int lio_listio64(int, struct aiocb64 *const[restrict], int, struct sigevent *restrict)
    __attribute__((alias("lio_listio")));

/* ------------------------------------------------------------------------- waiting for the end */

static int is_emulated(const struct aiocb *const list[], int n)
{
    for (int i = 0; unlikely(emulating) && i < n; i++)
        if (list[i] && is_under_way(list[i]) && emulate_serves(list[i]))
            return 1;
    return 0;
}

PASS(int, aio_suspend,
     (const struct aiocb *const list[], int n, const struct timespec *restrict timeout),
     (list, n, timeout), is_emulated(list, n), emulate_suspend(list, n, timeout))
EXPORT int aio_suspend64(const struct aiocb64 *const[], int, const struct timespec *restrict)
    __attribute__((alias("aio_suspend")));

REAL(int, aio_cancel, (int, struct aiocb *))

EXPORT int aio_cancel(int fd, struct aiocb *request)
{
    int result = emulate_start(fd) ? emulate_cancel(fd, request) : AIO_ALLDONE;
    return result == AIO_ALLDONE ? real_aio_cancel()(fd, request) : result;
}

EXPORT int aio_cancel64(int, struct aiocb64 *) __attribute__((alias("aio_cancel")));
