/* Streams on routed files. What libc calls behind a stream of its own can't be routed, so these have
 * our functions behind them; recorded is what those move.
 */
#include "route.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct stream {
    struct stream *next;
    FILE *file;
    int fd;
};

static struct stream *streams;
static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;

static ssize_t read_some(void *stream, char *buffer, size_t size)
{
    return read(((struct stream *)stream)->fd, buffer, size);
}

static ssize_t write_some(void *stream, const char *buffer, size_t size)
{
    ssize_t got = write(((struct stream *)stream)->fd, buffer, size);
    return got < 0 ? 0 : got; /* which is how it is told that it failed */
}

static int move(void *stream, off64_t *place, int whence)
{
    *place = lseek(((struct stream *)stream)->fd, *place, whence);
    return *place < 0 ? -1 : 0;
}

static int end(void *ended)
{
    struct stream *gone = ended;
    pthread_mutex_lock(&adding);
    for (struct stream **at = &streams; *at; at = &(*at)->next)
        if (*at == gone) {
            *at = gone->next;
            break;
        }
    pthread_mutex_unlock(&adding);
    int fd = gone->fd;
    free(gone);
    return close(fd);
}

static FILE *make(int fd, const char *mode)
{
    static const cookie_io_functions_t ours = {read_some, write_some, move, end};
    struct stream *made = malloc(sizeof *made);
    FILE *file = made ? fopencookie(made, mode, ours) : NULL;
    if (!file) {
        free(made);
        return NULL;
    }
    pthread_mutex_lock(&adding);
    *made = (struct stream){streams, file, fd};
    streams = made;
    pthread_mutex_unlock(&adding);
    return file;
}

FILE *route_fopen(const char *path, int flags, const char *mode)
{
    int fd = open(path, flags, 0666);
    FILE *file = fd < 0 ? NULL : make(fd, mode);
    int error = errno;
    if (fd >= 0 && !file)
        close(fd);
    errno = error;
    return file;
}

FILE *route_fdopen(int fd, int flags, const char *mode)
{
    int has = route_get_flags(fd);
    int access = has & O_ACCMODE;
    if (has < 0)
        return NULL;
    if (access != O_RDWR && access != (flags & O_ACCMODE)) {
        errno = EINVAL;
        return NULL;
    }
    if (flags & O_APPEND && route_set_flags(fd, has | O_APPEND))
        return NULL;
    return make(fd, mode);
}

/* The program left it to exit to write them: libc would, but only after the mount has ended. One
 * that another thread is busy with is left to it, as libc does. */
void route_flush_streams(void)
{
    pthread_mutex_lock(&adding);
    for (struct stream *each = streams; each; each = each->next)
        if (!ftrylockfile(each->file)) {
            fflush_unlocked(each->file);
            funlockfile(each->file);
        }
    pthread_mutex_unlock(&adding);
}
