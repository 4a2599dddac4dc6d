/* MPI-IO without mpi.h: one binary serves every MPI.
 *
 * No call of MPI-IO has more than 6 arguments, and all are integers or pointers: each travels in a
 * register of its own on every 64-bit machine that glibc knows. So all calls have one type here,
 * handles stay what they are, and a register that a call doesn't use is passed on unread.
 */
#ifndef PIOTUTOR_MPIIO_H
#define PIOTUTOR_MPIIO_H

#include "interposer.h"

typedef uintptr_t word;
typedef int mpi_call(word, word, word, word, word, word);

static inline int pass(mpi_call *call, const word a[6])
{
    return call(a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* A file of interest that is open, and the view that this process has of it. */
struct mpi_file {
    _Atomic word handle; /* its MPI_File; 0: never used, 1: closed */
    int32_t name;
    word byte;                   /* MPI_BYTE of this MPI: the etype of a file just opened */
    int64_t displacement, etype; /* of the view, in bytes */
    int dense;                   /* the view has no holes */
    record *begun;               /* of a split collective call whose end is still to come */
};

struct mpi_file *mpi_file_find(word handle); /* NULL: not of interest */
struct mpi_file *mpi_file_add(word handle, int32_t name, const void *library);
void mpi_file_remove(struct mpi_file *file);
void mpi_file_view(struct mpi_file *file, int64_t displacement, word etype, word filetype);

int64_t mpi_size(word datatype); /* bytes of data in one */
int64_t mpi_moved(const struct mpi_file *file, const void *status, int64_t otherwise);
int mpi_blames_arguments(int error);

/* Where the own file pointer is, in etypes; and which byte of the file a position is. */
int64_t mpi_position(const struct mpi_file *file);
int64_t mpi_offset(const struct mpi_file *file, int64_t position);

/* Tell the extents of a call that the view scatters, if they are more than one. */
void mpi_parts(const struct mpi_file *file, int64_t position, const struct call *call,
               const struct what *what);

#endif
