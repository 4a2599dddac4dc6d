/* Asynchronous calls on emulated files. libc serves those on one descriptor one after the other, in
 * a thread; here, too, but each takes as long as the servers need. libc's aio_error and aio_return
 * only look at what is told in the request itself, so they say when it is over. */
#include "emulate.h"

#include "async.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define QUEUES 64       /* descriptors that are that far apart share one */
#define LOOK 1000000    /* ns between two looks at what libc serves */

static struct queue {
    struct aiocb *_Atomic first; /* the one that is being served; NULL: there is no thread */
    struct aiocb *last;          /* in between they follow each other by __next_prio */
    int64_t since;               /* when the first one's turn began */
} queues[QUEUES];

static pthread_mutex_t lock_of_queues = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint32_t ends; /* how many there have been: a futex */

static struct queue *queue_of(int fd)
{
    return &queues[(unsigned)fd % QUEUES];
}

/* No signal handler comes in between: it may close a file. */
static sigset_t hold(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&lock_of_queues);
    return before;
}

static void release(const sigset_t *before)
{
    pthread_mutex_unlock(&lock_of_queues);
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

void emulate_async_in_child(void)
{
    memset(queues, 0, sizeof queues);
    lock_of_queues = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

/* ----------------------------------------------------------------------------- who serves them */

static ssize_t serve(const struct aiocb *request, int64_t start)
{
    int fd = request->aio_fildes, writes = request->aio_lio_opcode == LIO_WRITE;
    if (!writes && request->aio_lio_opcode != LIO_READ) {
        ssize_t result = syscall(SYS_fsync, fd);
        emulate_sync(fd, start);
        return result;
    }
    ssize_t got = syscall(writes ? SYS_pwrite64 : SYS_pread64, fd, request->aio_buf,
                          request->aio_nbytes, request->aio_offset);
    emulate_move(fd, writes ? OP_WRITE : OP_READ, start, request->aio_offset, got);
    return got;
}

/* With the lock. From then on it is the program's, who may give its memory back. */
static void end(struct aiocb *request, ssize_t result, int error)
{
    request->__return_value = result;
    __atomic_store_n(&request->__error_code, error, __ATOMIC_RELEASE);
    ends++;
}

static void wake_all(void)
{
    syscall(SYS_futex, &ends, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* Returns whether there is another one, whose turn it is then. */
static int pass_on(struct queue *queue, ssize_t result, int error)
{
    sigset_t before = hold();
    struct aiocb *over = queue->first, *next = over->__next_prio;
    queue->since = now();
    queue->first = next;
    end(over, result, error);
    release(&before);
    wake_all();
    return next != NULL;
}

static void *serve_all(void *data)
{
    struct queue *queue = data;
    ssize_t result;
    do
        result = serve(queue->first, queue->since);
    while (pass_on(queue, result, result < 0 ? errno : 0));
    return NULL;
}

static int begin_thread(struct queue *queue)
{
    pthread_t thread;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    me.quiet++; /* and so is the thread */
    int error = pthread_create(&thread, &detached, serve_all, queue);
    me.quiet--;
    pthread_attr_destroy(&detached);
    return error;
}

/* ----------------------------------------------------------------------------- who begins them */

int emulate_serves(const struct aiocb *request)
{
    return emulate_start(request->aio_fildes) && is_looked_at(&request->aio_sigevent);
}

int emulate_takes(const struct aiocb *request)
{
    int takes = emulate_serves(request);
    if (!takes)
        emulate_passed(request->aio_fildes, PASSED_NOTIFIED);
    return takes;
}

int emulate_begin(struct aiocb *request, int operation)
{
    struct queue *queue = queue_of(request->aio_fildes);
    request->aio_lio_opcode = operation;
    request->__next_prio = NULL;
    request->__error_code = EINPROGRESS;
    int error = 0;
    sigset_t before = hold();
    if (queue->first) {
        queue->last->__next_prio = request;
    } else {
        queue->since = now();
        queue->first = request;
        if ((error = begin_thread(queue)))
            queue->first = NULL;
    }
    queue->last = request;
    if (error)
        end(request, -1, EAGAIN);
    release(&before);
    if (error)
        errno = EAGAIN;
    return error ? -1 : 0;
}

static int is_one(const struct aiocb *request)
{
    return request && request->aio_lio_opcode != LIO_NOP;
}

/* All of a list, or none. */
int emulate_takes_list(int mode, struct aiocb *const list[], int n, const struct sigevent *event)
{
    int takes = emulating && (mode == LIO_WAIT || !event || is_looked_at(event)), some = 0;
    for (int i = 0; takes && i < n; i++)
        if (is_one(list[i]))
            some = takes = emulate_serves(list[i]);
    for (int i = 0; emulating && !takes && i < n; i++)
        if (is_one(list[i]))
            emulate_passed(list[i]->aio_fildes, PASSED_NOTIFIED);
    return takes && some;
}

static int is_interrupted(const struct aiocb *request)
{
    while (is_under_way(request))
        if (emulate_suspend(&request, 1, NULL) && errno == EINTR)
            return 1;
    return 0;
}

int emulate_list(int mode, struct aiocb *const list[], int n)
{
    int failed = 0;
    for (int i = 0; i < n; i++)
        if (is_one(list[i]) && emulate_begin(list[i], list[i]->aio_lio_opcode))
            failed = 1;
    for (int i = 0; mode == LIO_WAIT && i < n; i++) {
        if (is_one(list[i]) && is_interrupted(list[i]))
            return -1;
        failed |= is_one(list[i]) && list[i]->__error_code;
    }
    if (failed)
        errno = EIO;
    return failed ? -1 : 0;
}

/* ------------------------------------------------------------------------- who waits for them */

static int some_is_over(const struct aiocb *const list[], int n)
{
    for (int i = 0; i < n; i++)
        if (list[i] && !is_under_way(list[i]))
            return 1;
    return 0;
}

int emulate_suspend(const struct aiocb *const list[], int n, const struct timespec *timeout)
{
    int error = errno;
    int64_t last = timeout ? now() + timeout->tv_sec * 1000000000LL + timeout->tv_nsec : INT64_MAX;
    for (;;) {
        uint32_t seen = ends;
        if (some_is_over(list, n))
            break;
        int64_t left = last - now();
        if (left <= 0)
            return errno = EAGAIN, -1;
        struct timespec nap = {.tv_nsec = left < LOOK ? left : LOOK};
        if (syscall(SYS_futex, &ends, FUTEX_WAIT_PRIVATE, seen, &nap, NULL, 0) && errno == EINTR)
            return -1;
    }
    errno = error;
    return 0;
}

static int is_queued(struct queue *queue, int fd)
{
    int found = 0;
    if (!queue->first || !emulate_is_ours())
        return 0;
    sigset_t before = hold();
    for (const struct aiocb *each = queue->first; each && !found; each = each->__next_prio)
        found = fd < 0 || each->aio_fildes == fd;
    release(&before);
    return found;
}

/* Of one descriptor, or -1: all of a queue. */
static void drain(struct queue *queue, int fd)
{
    for (uint32_t seen = ends; is_queued(queue, fd); seen = ends)
        syscall(SYS_futex, &ends, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

/* A queue lasts longer than libc's: what is in it must not meet the next file of that number. */
void emulate_drain(int fd)
{
    if (fd >= 0)
        drain(queue_of(fd), fd);
}

/* Nor is it lost where a program ends without having waited for it. */
__attribute__((destructor)) static void destruct(void)
{
    for (int i = 0; i < QUEUES; i++)
        drain(&queues[i], -1);
}

/* The first one is being served: it stays. */
int emulate_cancel(int fd, const struct aiocb *which)
{
    struct queue *queue = queue_of(fd);
    int found = AIO_ALLDONE, kept = 0;
    sigset_t before = hold();
    struct aiocb *last = queue->first, *next;
    if (last && last->aio_fildes == fd && (!which || which == last))
        kept = 1;
    for (struct aiocb *each = last ? last->__next_prio : NULL; each; each = next) {
        next = each->__next_prio;
        if (each->aio_fildes == fd && (!which || which == each)) {
            last->__next_prio = next;
            end(each, -1, ECANCELED);
            found = AIO_CANCELED;
        } else {
            last = each;
        }
    }
    queue->last = last;
    release(&before);
    wake_all();
    return kept ? AIO_NOTCANCELED : found;
}
