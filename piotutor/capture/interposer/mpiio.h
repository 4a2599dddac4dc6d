/* MPI-IO without mpi.h: one binary serves every MPI.
 *
 * No call of MPI-IO has more than 6 arguments, and all are integers or pointers: each travels in a
 * register of its own on every 64-bit machine that glibc knows. So all calls have one type here,
 * handles stay what they are, and a register that a call doesn't use is passed on unread.
 */
#ifndef PIOTUTOR_MPIIO_H
#define PIOTUTOR_MPIIO_H

#include "extents.h"

typedef uintptr_t word;
typedef int mpi_call(word, word, word, word, word, word);

static inline int pass(mpi_call *call, const word a[6])
{
    return call(a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Functions of the MPI that the program uses. They are asked only what is valid: a wrong argument
 * would reach the program's error handler. */
struct mpi {
    int (*size)(word datatype, int64_t *size);
    int (*extent)(word datatype, int64_t *lower, int64_t *extent);
    int (*true_extent)(word datatype, int64_t *lower, int64_t *extent);
    int (*free)(word *datatype);
    int (*envelope)(word datatype, int *ints, int *addresses, int *types, int *combiner);
    int (*contents)(word datatype, int ints, int addresses, int types, int *v, int64_t *a, void *t);
    int (*elements)(const void *status, word datatype, int64_t *count);
    int (*error_class)(int error, int *class);
    int (*view)(word file, int64_t *displacement, word *etype, word *filetype, char *representation);
    int (*position)(word file, int64_t *position);
    int (*byte_offset)(word file, int64_t position, int64_t *offset);
    /* From here on, what not every MPI has: a datatype made with large counts tells only these. */
    int (*envelope_c)(word datatype, int64_t *ints, int64_t *addresses, int64_t *counts,
                      int64_t *types, int *combiner);
    int (*contents_c)(word datatype, int64_t ints, int64_t addresses, int64_t counts, int64_t types,
                      int *v, int64_t *a, int64_t *c, void *t);
};
extern struct mpi mpi;

/* The data that one filetype picks, as pieces of the file in the order of the data. */
struct pieces {
    int64_t n, room;
    int64_t bytes, extent; /* of data; from one filetype to the next */
    struct piece {
        int64_t offset, before; /* from the start of the filetype; bytes of data before it */
    } *at;
};

int mpi_pieces(word filetype, word byte, struct pieces *pieces); /* 0: it can't be told */
void mpi_pieces_free(struct pieces *pieces);

/* A file of interest that is open, and the view that this process has of it. */
struct mpi_file {
    _Atomic word handle; /* its MPI_File; 0: never used, 1: closed */
    int32_t name;
    word byte;                   /* MPI_BYTE of this MPI: the etype of a file just opened */
    int64_t displacement, etype; /* of the view, in bytes */
    int dense;                   /* the view has no holes */
    struct pieces pieces;        /* of its filetype; none where they can't be told */
    record *begun;               /* of a split collective call whose end is still to come */
};

struct mpi_file *mpi_file_find(word handle); /* NULL: not of interest */
struct mpi_file *mpi_file_add(word handle, int32_t name, const void *library);
void mpi_file_remove(struct mpi_file *file);
void mpi_file_view(struct mpi_file *file, int64_t displacement, word etype, word filetype);

int64_t mpi_size(word datatype); /* bytes of data in one */
int mpi_dense(word datatype);    /* one right after the other, without a hole */
int64_t mpi_moved(const struct mpi_file *file, const void *status, int64_t otherwise);
int mpi_blames_arguments(int error);

/* Where the own file pointer is, in etypes; and which byte of the file a position is. */
int64_t mpi_position(const struct mpi_file *file);
int64_t mpi_offset(const struct mpi_file *file, int64_t position);

/* Tell the extents of a call that the view scatters, if they are more than one. */
void mpi_parts(const struct mpi_file *file, int64_t position, const struct call *call,
               const struct what *what);

#endif
