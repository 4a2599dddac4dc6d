/* The trace file on disk. */
#ifndef PIOTUTOR_FILE_H
#define PIOTUTOR_FILE_H

#include "interposer.h"

struct header {
    char magic[8];
    uint32_t version, header_bytes, record_bytes;
    _Atomic uint32_t state;
    int32_t rank, client;
    _Atomic uint64_t text_bytes, count, dropped;
    int64_t monotonic, wall;
    char unused[56];
};
_Static_assert(sizeof(struct header) == 128, "the header of piotutor/trace/record.py");

int file_open(const char *path, int flags); /* a descriptor, or -1 */
void file_close(int fd);
int file_reserve(int fd, int64_t start, int64_t bytes); /* 0: there is no room */
void *file_map(int fd, int64_t start, int64_t bytes);   /* NULL: it can't be mapped */
void file_touch(void *memory, int64_t bytes); /* all pages now: one by one they cost far more */

/* Cut the file, and give back the blocks of a part of it that was never used. */
void file_end(const char *path, int64_t bytes, int64_t hole, int64_t hole_bytes);

#endif
