/* What a filetype picks, from how it was made. */
#include "mpiio.h"

#include <stdlib.h>

#define MAX_PIECES (1 << 18) /* 4 MiB of them: of a filetype that has more, nothing is told */

/* ---------------------------------------------------------------------------------- pieces */

void mpi_pieces_free(struct pieces *all)
{
    free(all->at);
    *all = (struct pieces){0};
}

/* Bytes at the end of the data; side by side with the last ones, they are one piece with them. */
static int add(struct pieces *all, int64_t offset, int64_t bytes)
{
    const struct piece *last = all->n ? all->at + all->n - 1 : NULL;
    if (bytes && (!last || last->offset + all->bytes - last->before != offset)) {
        if (all->n == all->room) {
            int64_t room = all->room ? 2 * all->room : 16;
            struct piece *more
                = room <= MAX_PIECES ? realloc(all->at, (size_t)room * sizeof *more) : NULL;
            if (!more)
                return 0;
            all->at = more;
            all->room = room;
        }
        all->at[all->n++] = (struct piece){offset, all->bytes};
    }
    all->bytes += bytes;
    return 1;
}

/* `n` of a datatype, one after the other. */
static int repeat(struct pieces *all, const struct pieces *one, int64_t offset, int64_t n)
{
    int dense = one->n == 1 && !one->at->offset && one->bytes == one->extent;
    if (dense)
        return add(all, offset, n * one->bytes);
    int fits = 1;
    for (int64_t i = 0; i < n && fits; i++, offset += one->extent)
        for (int64_t k = 0; k < one->n && fits; k++) {
            int64_t end = k + 1 < one->n ? one->at[k + 1].before : one->bytes;
            fits = add(all, offset + one->at[k].offset, end - one->at[k].before);
        }
    return fits;
}

/* ----------------------------------------------------------------- how a datatype was made */

enum kind {
    NAMED, DUP, CONTIGUOUS, VECTOR, HVECTOR_INTEGER, HVECTOR, INDEXED, HINDEXED_INTEGER, HINDEXED,
    INDEXED_BLOCK, STRUCT_INTEGER, STRUCT, SUBARRAY, DARRAY, F90_REAL, F90_COMPLEX, F90_INTEGER,
    RESIZED, HINDEXED_BLOCK, UNKNOWN
};

/* MPI_COMBINER_... is in this order in MPICH, from 1, and in Open MPI, from 0; in the ABI of MPI 5,
 * from 101, some lie elsewhere. What MPI_BYTE is tells which it is. */
static const enum kind abi[] = {
    NAMED, DUP, CONTIGUOUS, VECTOR, HVECTOR, INDEXED, HINDEXED, INDEXED_BLOCK, HINDEXED_BLOCK,
    STRUCT, SUBARRAY, DARRAY, F90_REAL, F90_COMPLEX, F90_INTEGER, RESIZED
};

enum { MPICH_NAMED = 1, ABI_NAMED = 101 };

struct made {
    enum kind kind;
    int large;   /* with large counts */
    int small_handles; /* MPI_Datatype is an int, as in MPICH */
    int64_t n_values, n_types;
    int64_t *values; /* integers, then addresses, then counts */
    void *types;
};

static word type_of(const struct made *made, int64_t i)
{
    return made->small_handles ? ((unsigned *)made->types)[i] : ((word *)made->types)[i];
}

static enum kind kind_of(int combiner, int named)
{
    int k = combiner - named;
    if (k < 0)
        return UNKNOWN;
    if (named == ABI_NAMED)
        return k < (int)(sizeof abi / sizeof *abi) ? abi[k] : UNKNOWN;
    return k < UNKNOWN ? (enum kind)k : UNKNOWN;
}

static int combiner_of(word datatype)
{
    int64_t count;
    int ints, addresses, types, combiner = -1;
    if (mpi.envelope_c)
        mpi.envelope_c(datatype, &count, &count, &count, &count, &combiner);
    else
        mpi.envelope(datatype, &ints, &addresses, &types, &combiner);
    return combiner;
}

static int is_elementary(enum kind kind)
{
    return kind == NAMED || kind == F90_REAL || kind == F90_COMPLEX || kind == F90_INTEGER;
}

static void forget(struct made *made, int named)
{
    for (int64_t i = 0; i < made->n_types; i++) {
        word type = type_of(made, i);
        if (!is_elementary(kind_of(combiner_of(type), named)))
            mpi.free(&type);
    }
    free(made->values);
    free(made->types);
}

static int look(word datatype, int named, struct made *made)
{
    int64_t ints = 0, addresses = 0, counts = 0, types = 0;
    int n = 0, n_addresses = 0, n_types = 0, combiner = -1;
    if (mpi.envelope_c)
        mpi.envelope_c(datatype, &ints, &addresses, &counts, &types, &combiner);
    else {
        mpi.envelope(datatype, &n, &n_addresses, &n_types, &combiner);
        ints = n, addresses = n_addresses, types = n_types;
    }
    *made = (struct made){kind_of(combiner, named), counts > 0, named == MPICH_NAMED,
                          ints + addresses + counts, 0, NULL, NULL};
    if (is_elementary(made->kind) || made->kind == UNKNOWN)
        return 1;
    int *v = malloc((size_t)(ints + 1) * sizeof *v);
    made->values = malloc((size_t)(made->n_values + 1) * sizeof *made->values);
    made->types = malloc((size_t)(types + 1) * sizeof(word));
    if (v && made->values && made->types) {
        int64_t *a = made->values + ints, *c = a + addresses;
        int error = mpi.contents_c
            ? mpi.contents_c(datatype, ints, addresses, counts, types, v, a, c, made->types)
            : mpi.contents(datatype, n, n_addresses, n_types, v, a, made->types);
        made->n_types = error ? 0 : types;
        for (int64_t i = 0; i < ints; i++)
            made->values[i] = v[i];
    }
    free(v);
    return made->n_types > 0;
}

/* -------------------------------------------------------------------------- its own pieces */

static int pieces_of(word datatype, int named, struct pieces *all);

#define MAX_DIMS 32

struct array {
    int64_t dims, size[MAX_DIMS], part[MAX_DIMS], start[MAX_DIMS];
};

static int rows(struct pieces *all, const struct pieces *one, const struct array *array, int d,
                int64_t index)
{
    index = index * array->size[d] + array->start[d];
    if (d == array->dims - 1)
        return repeat(all, one, index * one->extent, array->part[d]);
    int fits = 1;
    for (int64_t i = 0; i < array->part[d] && fits; i++)
        fits = rows(all, one, array, d + 1, index + i);
    return fits;
}

static int subarray(struct pieces *all, const struct pieces *one, const struct made *made)
{
    struct array array = {.dims = made->values[0]};
    if (array.dims > MAX_DIMS)
        return 0;
    const int64_t *v = made->values + (made->large ? 2 : 1);
    int64_t order = made->values[made->large ? 1 : 1 + 3 * array.dims];
    int in_c = order == 56 || order == 0 || order == 0xC; /* MPICH, Open MPI, the ABI */
    for (int64_t d = 0; d < array.dims; d++) {
        int64_t from = in_c ? d : array.dims - 1 - d;
        array.size[d] = v[from];
        array.part[d] = v[array.dims + from];
        array.start[d] = v[2 * array.dims + from];
    }
    return rows(all, one, &array, 0, 0);
}

/* Block `i` of a datatype made of blocks. */
static void block(const struct made *made, int64_t i, int64_t extent, int64_t *offset, int64_t *n)
{
    const int64_t *v = made->values;
    int in_bytes = made->kind == HVECTOR || made->kind == HINDEXED || made->kind == STRUCT
                   || made->kind == HINDEXED_BLOCK;
    int lists = made->kind == INDEXED || made->kind == HINDEXED || made->kind == STRUCT;
    int strided = made->kind == VECTOR || made->kind == HVECTOR;
    *n = lists ? v[1 + i] : v[1];
    *offset = (lists ? v[1 + v[0] + i] : strided ? i * v[2] : v[2 + i]) * (in_bytes ? 1 : extent);
}

static int blocks(struct pieces *all, struct pieces *one, const struct made *made, int named)
{
    int fits = 1;
    for (int64_t i = 0; i < made->values[0] && fits; i++) {
        int64_t offset, n;
        if (made->kind == STRUCT && i) {
            mpi_pieces_free(one);
            if (!pieces_of(type_of(made, i), named, one))
                return 0;
        }
        block(made, i, one->extent, &offset, &n);
        fits = repeat(all, one, offset, n);
    }
    return fits;
}

static int compose(struct pieces *all, struct pieces *one, const struct made *made, int named)
{
    switch (made->kind) {
    case DUP:
    case RESIZED:
        return repeat(all, one, 0, 1);
    case CONTIGUOUS:
        return repeat(all, one, 0, made->values[0]);
    case SUBARRAY:
        return subarray(all, one, made);
    case VECTOR: case HVECTOR: case INDEXED: case HINDEXED: case INDEXED_BLOCK:
    case HINDEXED_BLOCK: case STRUCT:
        return blocks(all, one, made, named);
    default:
        return 0;
    }
}

static int pieces_of(word datatype, int named, struct pieces *all)
{
    struct made made;
    struct pieces one = {0};
    int64_t lower;
    int fits = 0;
    *all = (struct pieces){0};
    mpi.extent(datatype, &lower, &all->extent);
    if (look(datatype, named, &made)) {
        if (is_elementary(made.kind))
            fits = add(all, 0, mpi_size(datatype));
        else if (made.n_types && pieces_of(type_of(&made, 0), named, &one))
            fits = compose(all, &one, &made, named);
    }
    mpi_pieces_free(&one);
    forget(&made, named);
    return fits;
}

int mpi_pieces(word filetype, word byte, struct pieces *all)
{
    if (pieces_of(filetype, combiner_of(byte), all) && all->bytes == mpi_size(filetype))
        return 1;
    mpi_pieces_free(all);
    return 0;
}
