/* The trace file on disk: made, made longer, ended. See piotutor/trace/record.py and writer.py.
 *
 * No descriptor stays open, so a program that closes all it finds closes none of ours. All calls
 * are system calls, not libc's functions: another library may stand before those as well.
 */
#include "file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14; older ones refuse it */
#endif

int file_open(const char *path, int flags)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_RDWR | O_CLOEXEC, 0600);
}

void file_close(int fd)
{
    syscall(SYS_close, fd);
}

/* A process that may write no such file would get a signal for trying. */
static int is_allowed(int64_t end)
{
    struct rlimit most;
    return getrlimit(RLIMIT_FSIZE, &most) || most.rlim_cur == RLIM_INFINITY
           || (rlim_t)end <= most.rlim_cur;
}

static int write_zeros(int fd, int64_t start, int64_t bytes)
{
    static char zeros[1 << 16];
    while (bytes > 0) {
        size_t most = bytes < (int64_t)sizeof zeros ? (size_t)bytes : sizeof zeros;
        long done = syscall(SYS_pwrite64, fd, zeros, most, start);
        if (done <= 0)
            return 0;
        start += done;
        bytes -= done;
    }
    return 1;
}

/* Zeros are written even where the blocks are reserved: to make the pages of a file that was only
 * allocated ready for stores takes ext4 four times as long as this. */
int file_reserve(int fd, int64_t start, int64_t bytes)
{
    if (!is_allowed(start + bytes))
        return 0;
    if (syscall(SYS_fallocate, fd, 0, start, bytes) && errno != EOPNOTSUPP && errno != EINVAL
        && errno != ENOSYS)
        return 0;
    return write_zeros(fd, start, bytes);
}

void *file_map(int fd, int64_t start, int64_t bytes)
{
    int64_t before = start % 65536; /* a multiple of any page */
    void *memory = mmap(NULL, (size_t)(bytes + before), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                        start - before);
    return memory == MAP_FAILED ? NULL : (char *)memory + before;
}

void file_touch(void *memory, int64_t bytes)
{
    char *page = (char *)((uintptr_t)memory & ~(uintptr_t)4095);
    madvise(page, (size_t)((char *)memory + bytes - page), MADV_POPULATE_WRITE);
}

void file_end(const char *path, int64_t bytes, int64_t hole, int64_t hole_bytes)
{
    int fd = file_open(path, 0);
    if (fd < 0)
        return;
    syscall(SYS_ftruncate, fd, bytes);
    if (hole_bytes > 0)
        syscall(SYS_fallocate, fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, hole, hole_bytes);
    file_close(fd);
}
