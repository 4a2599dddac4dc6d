/* everyday WHAT FILE [OTHER]: calls that aren't read and write, on a file of 4 x 65,536 bytes. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    return !strcmp(what, "names") ? names(path, other) : anew(path);
}
