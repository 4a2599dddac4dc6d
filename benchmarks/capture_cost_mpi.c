/* The loop of capture_cost.c by MPI-IO: independent, explicit offsets, no view.
 *
 *     capture_cost_mpi FILE write|read ROUNDS TRANSFERS
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SIZE = 4096, PLACES = 256 };

static double ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
    static char data[SIZE];
    MPI_File file;
    if (argc != 5 || MPI_Init(&argc, &argv))
        return 2;
    int writes = !strcmp(argv[2], "write");
    long rounds = atol(argv[3]), transfers = atol(argv[4]);
    int mode = MPI_MODE_CREATE | MPI_MODE_RDWR | MPI_MODE_DELETE_ON_CLOSE;
    if (MPI_File_open(MPI_COMM_SELF, argv[1], mode, MPI_INFO_NULL, &file)
        || MPI_File_set_size(file, (MPI_Offset)SIZE * PLACES))
        return 1;
    for (long round = -1; round < rounds; round++) { /* the first one warms up */
        double wall = ns(CLOCK_MONOTONIC), cpu = ns(CLOCK_PROCESS_CPUTIME_ID);
        for (long i = 0; i < transfers; i++) {
            MPI_Offset offset = (MPI_Offset)SIZE * (i % PLACES);
            if (writes ? MPI_File_write_at(file, offset, data, SIZE, MPI_BYTE, MPI_STATUS_IGNORE)
                       : MPI_File_read_at(file, offset, data, SIZE, MPI_BYTE, MPI_STATUS_IGNORE))
                return 1;
        }
        cpu = ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        wall = ns(CLOCK_MONOTONIC) - wall;
        if (round >= 0)
            printf("%.1f %.1f\n", wall / transfers, cpu / transfers);
    }
    return MPI_File_close(&file) || MPI_Finalize();
}
