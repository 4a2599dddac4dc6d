/* turns FILE OFFSET STRIDE LENGTH COUNT: writes to a file, and reads at the end what it wrote. With
 * one more word, each write waits for a byte of the standard input, and tells of its end by one on
 * the standard output. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    long offset = atol(argv[2]), stride = atol(argv[3]), length = atol(argv[4]);
    int count = atoi(argv[5]), in_turn = argc > 6;
    char *data = malloc(length), *again = malloc(length), word = '.';
    int fd = open(argv[1], O_RDWR | O_CREAT, 0600);
    for (int i = 0; i < count; i++) {
        if (in_turn && read(0, &word, 1) != 1)
            return 2;
        memset(data, 1 + (offset + i * stride) % 251, length);
        if (pwrite(fd, data, length, offset + i * stride) != length)
            return 3;
        if (in_turn && write(1, &word, 1) != 1)
            return 4;
    }
    if (in_turn && read(0, &word, 1) < 0)
        return 5;
    for (int i = 0; i < count; i++) {
        memset(data, 1 + (offset + i * stride) % 251, length);
        if (pread(fd, again, length, offset + i * stride) != length || memcmp(data, again, length))
            return 6;
    }
    return close(fd) ? 7 : 0;
}
