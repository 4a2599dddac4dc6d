/* pair FILE PLACE LENGTH COUNT PATTERN: one of two ranks that write together, each when both are
 * there (PLACE has a file for each then): `turns` in one file, `halves` of it, or files `apart`. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int rank(void)
{
    const char *said = getenv("PMI_RANK");
    return atoi(said ? said : getenv("OMPI_COMM_WORLD_RANK"));
}

static int meet(const char *place, int me)
{
    char here[PATH_MAX], there[PATH_MAX];
    snprintf(here, sizeof here, "%s/%d", place, me);
    snprintf(there, sizeof there, "%s/%d", place, 1 - me);
    if (close(open(here, O_WRONLY | O_CREAT, 0600)))
        return -1;
    while (access(there, F_OK))
        usleep(1000);
    return 0;
}

int main(int argc, char **argv)
{
    (void)argc;
    long length = atol(argv[3]), count = atol(argv[4]), me = rank();
    int turns = !strcmp(argv[5], "turns"), apart = !strcmp(argv[5], "apart");
    long first = apart ? 0 : turns ? me : me * count, step = turns ? 2 : 1;
    char *data = calloc(1, (size_t)length), name[PATH_MAX];
    snprintf(name, sizeof name, apart ? "%s.%ld" : "%s", argv[1], me);
    int fd = open(name, O_WRONLY | O_CREAT, 0600);
    if (meet(argv[2], (int)me))
        return 2;
    for (long i = 0; i < count; i++)
        if (pwrite(fd, data, (size_t)length, (first + i * step) * length) != length)
            return 3;
    free(data);
    return close(fd) ? 4 : 0;
}
