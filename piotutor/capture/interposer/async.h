/* Asynchronous calls, where libc isn't who serves them. */
#ifndef PIOTUTOR_ASYNC_H
#define PIOTUTOR_ASYNC_H

#include "interposer.h"

#include <aio.h>

/* Whether nobody is to be told of its end by a signal or a thread. */
static inline int is_looked_at(const struct sigevent *event)
{
    return event->sigev_notify == SIGEV_NONE
           || (event->sigev_notify == SIGEV_SIGNAL && !event->sigev_signo);
}

static inline int is_under_way(const struct aiocb *request)
{
    return __atomic_load_n(&request->__error_code, __ATOMIC_ACQUIRE) == EINPROGRESS;
}

/* Those on emulated files: see emulate_async.c. `operation` is LIO_READ, LIO_WRITE; else a sync. */
int emulate_serves(const struct aiocb *request);
int emulate_takes(const struct aiocb *request); /* the same; libc's are counted */
int emulate_begin(struct aiocb *request, int operation);
int emulate_takes_list(int mode, struct aiocb *const list[], int n, const struct sigevent *event);
int emulate_list(int mode, struct aiocb *const list[], int n);
int emulate_suspend(const struct aiocb *const list[], int n, const struct timespec *timeout);
int emulate_cancel(int fd, const struct aiocb *which); /* AIO_ALLDONE: there were none */

#endif
