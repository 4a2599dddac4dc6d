/* Asynchronous calls on routed files: done when they return. libc's aio_error, aio_return and
 * aio_suspend only look at what is told in the request itself.
 */
#include "route.h"

#include "async.h"

#include <unistd.h>

static ssize_t done(struct aiocb *request, int operation)
{
    void *buffer = (void *)request->aio_buf;
    switch (operation) {
    case LIO_READ:
        return route_pread(request->aio_fildes, buffer, request->aio_nbytes, request->aio_offset);
    case LIO_WRITE:
        return route_pwrite(request->aio_fildes, buffer, request->aio_nbytes, request->aio_offset);
    }
    return route_fsync(request->aio_fildes);
}

/* Who wants to be told of its end otherwise would wait for ever: that is refused. */
int route_aio(struct aiocb *request, int operation)
{
    if (!is_looked_at(&request->aio_sigevent))
        return route_refuse(ENOSYS);
    int before = errno;
    ssize_t got = done(request, operation);
    request->__return_value = got;
    request->__error_code = got < 0 ? errno : 0;
    errno = before;
    return 0;
}

static int fits(const struct aiocb *request)
{
    return !request || request->aio_lio_opcode == LIO_NOP || routed(request->aio_fildes);
}

/* A list is either all routed or not at all. */
int route_lio_listio(struct aiocb *const list[], int n, const struct sigevent *event)
{
    int failed = 0;
    for (int i = 0; i < n; i++)
        if (!fits(list[i]) || (event && !is_looked_at(event)))
            return route_refuse(EINVAL);
    for (int i = 0; i < n; i++) {
        if (!list[i] || list[i]->aio_lio_opcode == LIO_NOP)
            continue;
        if (route_aio(list[i], list[i]->aio_lio_opcode) || list[i]->__error_code)
            failed = 1;
    }
    return failed ? route_refuse(EIO) : 0;
}

int route_any(struct aiocb *const list[], int n)
{
    for (int i = 0; i < n; i++)
        if (list[i] && list[i]->aio_lio_opcode != LIO_NOP && routed(list[i]->aio_fildes))
            return 1;
    return 0;
}
