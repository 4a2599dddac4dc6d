/* everyday WHAT FILE [OTHER]: calls that aren't read and write, on a file of 4 x 65,536 bytes. */
#define _GNU_SOURCE
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE 65536
#define COUNT 4

static char data[SIZE], again[SIZE];

/* Written with a seek back and a word at a time at its end, appended to, and read. */
static int streams(const char *path)
{
    FILE *file = fopen(path, "w");
    for (int i = 0; i < COUNT - 1; i++)
        if (fwrite(data, SIZE, 1, file) != 1)
            return 1;
    for (int i = 0; i < SIZE / 64 / 2; i++)
        if (fputs("sixty-three letters, none of which matters, as long as they are", file) < 0
            || fputs("\n", file) < 0)
            return 2;
    if (fflush(file) || fflush_unlocked(file) || fseek(file, 0, SEEK_SET)
        || fwrite("b", 1, 1, file) != 1 || fclose(file))
        return 2;
    file = fopen(path, "a");
    if (fwrite(data, SIZE / 2, 1, file) != 1 || fclose(file))
        return 3;
    file = fopen(path, "r");
    for (int i = 0; i < COUNT; i++)
        if (fread(again, SIZE, 1, file) != 1)
            return 4;
    return fread(again, 1, 1, file) ? 5 : fclose(file);
}

static int written(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    for (int i = 0; i < COUNT; i++)
        if (pwrite(fd, data, SIZE, i * SIZE) != SIZE)
            return -1;
    return fd;
}

static int copies(const char *path, const char *other)
{
    int from = written(path), to = open(other, O_RDWR | O_CREAT, 0600);
    off_t at = SIZE, end = 0;
    if (copy_file_range(from, &at, to, &end, SIZE, 0) != SIZE || at != 2 * SIZE)
        return 1;
    lseek(to, SIZE, SEEK_SET);
    at = 0;
    if (sendfile(to, from, &at, 2 * SIZE) != 2 * SIZE)
        return 2;
    return close(from) | close(to);
}

/* A name is looked at, its file cut twice, renamed onto another one, and removed. */
static int names(const char *path, const char *other)
{
    struct stat about;
    int fd = written(path), victim = open(other, O_RDWR | O_CREAT, 0600);
    if (stat(path, &about) || about.st_size != COUNT * SIZE || lstat(path, &about))
        return 1;
    if (fstatat(AT_FDCWD, path, &about, 0) || fstat(fd, &about))
        return 2;
    if (truncate(path, SIZE) || ftruncate(fd, 1) || close(fd) || close(victim))
        return 3;
    return rename(path, other) || unlink(other) || !stat(other, &about);
}

/* Removed and made anew, until the new file has the old one's inode. */
static int anew(const char *path)
{
    struct stat before, after;
    for (int i = 0; i < 100; i++) {
        int fd = written(path);
        if (fd < 0 || fstat(fd, &before) || close(fd) || unlink(path))
            return 1;
        fd = written(path);
        if (fd < 0 || fstat(fd, &after) || close(fd))
            return 2;
        if (before.st_ino == after.st_ino)
            return 0;
        unlink(path);
    }
    return 77; /* this file system never does */
}

/* It keeps its locks under its new name. Then onto another one, until a new file has the inode of
 * that. */
static int renames(const char *path, const char *other)
{
    struct stat victim, after;
    int fd = written(path);
    if (rename(path, path) || renameat(AT_FDCWD, path, AT_FDCWD, other)
        || pwrite(fd, data, SIZE, 0) != SIZE || close(fd) || unlink(other))
        return 1;
    for (int i = 0; i < 100; i++) {
        if ((fd = written(other)) < 0 || fstat(fd, &victim) || close(fd))
            return 2;
        if ((fd = written(path)) < 0 || close(fd) || rename(path, other))
            return 3;
        if ((fd = written(path)) < 0 || fstat(fd, &after) || close(fd))
            return 4;
        if (victim.st_ino == after.st_ino)
            return 0;
        if (unlink(path) || unlink(other))
            return 5;
    }
    return 77;
}

static int exchanges(const char *path, const char *other)
{
    int fd = written(path), second = written(other);
    if (renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_NOREPLACE) != -1)
        return 1;
    if (renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_EXCHANGE))
        return errno == EINVAL ? 77 : 2; /* not in this file system */
    close(second);
    second = open(path, O_RDWR);
    return pwrite(fd, data, SIZE, 0) != SIZE || pwrite(second, data, SIZE, 0) != SIZE;
}

static int maps(const char *path)
{
    int fd = written(path);
    char *ours = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *own = mmap64(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, SIZE);
    void *none = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ours == MAP_FAILED || own == MAP_FAILED || none == MAP_FAILED)
        return 1;
    ours[1] = 'x';
    return own[0] != 0 || close(fd);
}

/* ------------------------------------------------------------------------------- asynchronous */

#define MANY 8

static struct aiocb request[MANY];

static struct aiocb *prepared(int i, int fd, int operation)
{
    request[i] = (struct aiocb){.aio_fildes = fd, .aio_buf = data, .aio_nbytes = SIZE,
                                .aio_offset = i * SIZE, .aio_lio_opcode = operation};
    return &request[i];
}

static int ended(struct aiocb *one)
{
    const struct aiocb *list[2] = {NULL, one};
    while (aio_error(one) == EINPROGRESS)
        aio_suspend(list, 2, NULL);
    return aio_error(one);
}

/* Begun at once, looked at, and all but the first cancelled; the number of writes is its code. */
static int cancelled(int fd)
{
    struct timespec soon = {.tv_nsec = 1000000};
    const struct aiocb *last[1] = {&request[MANY - 1]};
    struct stat about;
    int done = 0;
    for (int i = 0; i < MANY; i++)
        if (aio_write(prepared(i, fd, LIO_WRITE)))
            return -1;
    if (aio_error(last[0]) != EINPROGRESS || aio_suspend(last, 1, &soon) != -1 || errno != EAGAIN)
        return -2;
    if (aio_cancel(fd, &request[MANY - 1]) != AIO_CANCELED || aio_cancel(fd, NULL) < 0)
        return -3;
    for (int i = 0; i < MANY; i++) {
        int error = ended(&request[i]);
        if (error != (i == done ? 0 : ECANCELED) && error != ECANCELED)
            return -4;
        if (aio_return(&request[i]) != (error ? -1 : SIZE))
            return -5;
        done += !error;
    }
    return fstat(fd, &about) || about.st_size != done * SIZE ? -6 : done;
}

static int listed(int fd)
{
    struct sigevent told = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct aiocb *list[3] = {prepared(0, fd, LIO_READ), NULL, prepared(1, fd, LIO_WRITE)};
    list[0]->aio_buf = again;
    again[0] = 'x';
    if (lio_listio(LIO_WAIT, list, 3, NULL) || aio_return(list[0]) != SIZE || again[0])
        return 1;
    if (lio_listio(LIO_NOWAIT, list, 3, NULL) || ended(list[2]) || ended(list[0]))
        return 2;
    if (aio_fsync(O_SYNC, list[0]) || ended(list[0]))
        return 3;
    list[0]->aio_fildes = list[2]->aio_fildes = fd;
    list[0]->aio_lio_opcode = LIO_READ;
    signal(SIGUSR1, SIG_IGN); /* three that aren't delayed */
    if (lio_listio(LIO_NOWAIT, list, 3, &told) || ended(list[0]) || ended(list[2]))
        return 4;
    list[0]->aio_sigevent = told;
    return aio_read(list[0]) || ended(list[0]) ? 5 : 0;
}

/* Two are under way when it is closed, and two more at the end of all. */
static int async(const char *path, const char *other)
{
    int fd = open(path, O_RDWR | O_CREAT, 0600), next = open(other, O_RDWR | O_CREAT, 0600);
    int done = cancelled(fd), failed = listed(fd);
    if (done < 1 || failed)
        return failed ? failed : 10 - done;
    if (aio_write(prepared(0, fd, LIO_WRITE)) || aio_write(prepared(1, fd, LIO_WRITE)) || close(fd))
        return 20;
    if (aio_error(&request[0]) || aio_error(&request[1]))
        return 21;
    return aio_write(prepared(2, next, LIO_WRITE)) || aio_write(prepared(3, next, LIO_WRITE)) ? 22 : 0;
}

static int reads(const char *path)
{
    int fd = open(path, O_RDONLY);
    ssize_t got;
    while ((got = read(fd, data, 4096)) > 0)
        ;
    return got || close(fd);
}

int main(int argc, char **argv)
{
    const char *what = argv[1], *path = argv[2], *other = argc > 3 ? argv[3] : NULL;
    if (!strcmp(what, "streams"))
        return streams(path);
    if (!strcmp(what, "reads"))
        return reads(path);
    if (!strcmp(what, "copies"))
        return copies(path, other);
    if (!strcmp(what, "renames"))
        return renames(path, other);
    if (!strcmp(what, "exchanges"))
        return exchanges(path, other);
    if (!strcmp(what, "maps"))
        return maps(path);
    if (!strcmp(what, "async"))
        return async(path, other);
    return !strcmp(what, "names") ? names(path, other) : anew(path);
}
