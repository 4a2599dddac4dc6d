/* Many 4 KiB transfers: prints wall and CPU time of each, in ns, for rounds of them.
 *
 *     capture_cost FILE write|read ROUNDS TRANSFERS
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 4096, PLACES = 256 }; /* 1 MiB: it stays in the cache */

static double ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
    static char data[SIZE];
    if (argc != 5)
        return 2;
    int fd = open(argv[1], O_CREAT | O_RDWR, 0600), writes = !strcmp(argv[2], "write");
    long rounds = atol(argv[3]), transfers = atol(argv[4]);
    if (fd < 0 || ftruncate(fd, (off_t)SIZE * PLACES))
        return 1;
    for (long round = -1; round < rounds; round++) { /* the first one warms up */
        double wall = ns(CLOCK_MONOTONIC), cpu = ns(CLOCK_PROCESS_CPUTIME_ID);
        for (long i = 0; i < transfers; i++) {
            off_t offset = (off_t)SIZE * (i % PLACES);
            ssize_t got = writes ? pwrite(fd, data, SIZE, offset) : pread(fd, data, SIZE, offset);
            if (got != SIZE)
                return 1;
        }
        cpu = ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        wall = ns(CLOCK_MONOTONIC) - wall;
        if (round >= 0)
            printf("%.1f %.1f\n", wall / transfers, cpu / transfers);
    }
    return close(fd) || unlink(argv[1]);
}
