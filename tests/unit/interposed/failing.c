/* Calls that fail: they must fail as they do alone. Prints each one's result and errno. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static char buffer[64];

#define TRY(name, call) \
    do { \
        errno = 12345; \
        long result = (long)(call); \
        int error = errno; \
        printf("%s %ld %d\n", name, result, error); \
    } while (0)

int main(void)
{
    int fd = open("there", O_CREAT | O_RDWR | O_TRUNC, 0600);
    int reader = open("there", O_RDONLY);
    const char *volatile nowhere = (const char *)8; /* no memory lies there */
    void *volatile hole = (void *)8;
    TRY("open", open("missing", O_RDONLY));
    TRY("open", open("there/below", O_RDONLY));
    TRY("open", open("there", O_CREAT | O_EXCL | O_RDWR, 0600));
    TRY("open", open(nowhere, O_RDONLY));
    TRY("open", open("", O_RDONLY));
    TRY("openat", openat(987, "relative", O_RDONLY));
    TRY("fopen", fopen("missing", "r") != NULL);
    TRY("write", write(reader, buffer, 8));
    TRY("write", write(fd, hole, 8));
    TRY("writev", writev(fd, (struct iovec *)hole, 2));
    TRY("writev", writev(fd, &(struct iovec){buffer, 8}, -1));
    TRY("pwrite", pwrite(fd, buffer, 8, -5));
    TRY("read", read(fd, hole, 8));
    TRY("read", write(fd, buffer, 8));
    TRY("lseek", lseek(fd, -1, SEEK_SET));
    TRY("ftruncate", ftruncate(reader, 5));
    TRY("posix_fallocate", posix_fallocate(reader, 0, 5));
    TRY("fcntl", fcntl(fd, F_SETLK, hole));
    TRY("unlink", unlink("missing"));
    TRY("unlink", unlink(nowhere));
    TRY("rename", rename("missing", "other"));
    TRY("truncate", truncate("missing", 5));
    TRY("close", close(reader));
    TRY("close", close(reader));
    TRY("dup", dup(reader));
    TRY("write", write(reader, buffer, 8));
    TRY("good", pwrite(fd, buffer, 8, 0)); /* success leaves errno alone */
    return 0;
}
