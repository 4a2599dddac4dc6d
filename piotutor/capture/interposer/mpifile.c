/* The open files of MPI-IO: what a view makes of a position. */
#include "mpiio.h"

#include <stddef.h>

#define FILES 1024 /* open at a time */
#define CLOSED 1   /* handle of a place that was used before */

static struct mpi_file files[FILES];
struct mpi mpi;

static int find_functions(const void *library)
{
    static const char *const names[]
        = {"MPI_Type_size_x",       "MPI_Type_get_extent_x",    "MPI_Type_get_true_extent_x",
           "MPI_Type_free",         "MPI_Type_get_envelope",    "MPI_Type_get_contents",
           "MPI_Get_elements_x",    "MPI_Error_class",          "MPI_File_get_view",
           "MPI_File_get_position", "MPI_File_get_byte_offset", "MPI_Type_get_envelope_c",
           "MPI_Type_get_contents_c"};
    enum { NEEDED = offsetof(struct mpi, envelope_c) / sizeof(void *) };
    _Static_assert(sizeof names == sizeof mpi, "one each");
    void **places = (void **)&mpi;
    int found = 1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!places[i])
            places[i] = real_near(names[i], library);
        found &= i >= NEEDED || places[i];
    }
    return found;
}

/* ------------------------------------------------------------- the table: handles to files */

static struct mpi_file *place(word handle, size_t step)
{
    return files + (handle / 64 + step) % FILES;
}

struct mpi_file *mpi_file_find(word handle)
{
    for (size_t step = 0; step < FILES; step++) {
        struct mpi_file *file = place(handle, step);
        word there = atomic_load_explicit(&file->handle, memory_order_acquire);
        if (there == handle || !there)
            return there ? file : NULL;
    }
    return NULL;
}

struct mpi_file *mpi_file_add(word handle, int32_t name, const void *library)
{
    struct mpi_file *file = NULL;
    if (!find_functions(library) || !lock())
        return NULL;
    for (size_t step = 0; step < FILES && !file; step++)
        if (place(handle, step)->handle <= CLOSED)
            file = place(handle, step);
    if (file) {
        int64_t displacement;
        word filetype = 0;
        char representation[512]; /* MPI_MAX_DATAREP_STRING is 128 where we looked */
        *file = (struct mpi_file){.handle = CLOSED, .name = name, .etype = 1, .dense = 1};
        mpi.view(handle, &displacement, &file->byte, &filetype, representation);
        atomic_store_explicit(&file->handle, handle, memory_order_release);
    }
    unlock();
    return file;
}

void mpi_file_remove(struct mpi_file *file)
{
    if (!lock())
        return;
    mpi_pieces_free(&file->pieces);
    file->handle = CLOSED;
    /* Places after which nothing was ever put end a search again. */
    if (!files[(file - files + 1) % FILES].handle)
        for (; file->handle == CLOSED; file = files + (file - files + FILES - 1) % FILES)
            file->handle = 0;
    unlock();
}

/* -------------------------------------------------------------------------------- the view */

int64_t mpi_size(word datatype)
{
    int64_t size = 0;
    mpi.size(datatype, &size);
    return size;
}

int mpi_dense(word datatype)
{
    int64_t size = mpi_size(datatype), lower, extent, true_lower, true_extent;
    mpi.extent(datatype, &lower, &extent);
    mpi.true_extent(datatype, &true_lower, &true_extent);
    return !lower && !true_lower && extent == size && true_extent == size;
}

void mpi_file_view(struct mpi_file *file, int64_t displacement, word etype, word filetype)
{
    mpi_pieces_free(&file->pieces);
    file->displacement = displacement;
    file->etype = mpi_size(etype);
    file->dense = mpi_dense(filetype);
    if (!file->dense)
        mpi_pieces(filetype, file->byte, &file->pieces);
}

int64_t mpi_position(const struct mpi_file *file)
{
    int64_t position = -1;
    mpi.position(file->handle, &position);
    return position;
}

/* The piece in which a byte of a filetype's data lies. */
static int64_t piece_of(const struct pieces *pieces, int64_t byte)
{
    int64_t low = 0, high = pieces->n;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (pieces->at[middle].before <= byte)
            low = middle;
        else
            high = middle;
    }
    return low;
}

int64_t mpi_offset(const struct mpi_file *file, int64_t position)
{
    const struct pieces *pieces = &file->pieces;
    int64_t offset = -1, byte = position * file->etype;
    if (file->dense)
        return file->displacement + byte;
    if (!pieces->bytes) {
        mpi.byte_offset(file->handle, position, &offset);
        return offset;
    }
    int64_t rest = byte % pieces->bytes;
    const struct piece *piece = pieces->at + piece_of(pieces, rest);
    return file->displacement + byte / pieces->bytes * pieces->extent + piece->offset + rest
           - piece->before;
}

/* ------------------------------------------------------------------------- what a call did */

int64_t mpi_moved(const struct mpi_file *file, const void *status, int64_t otherwise)
{
    int64_t bytes = -1; /* MPI_UNDEFINED is negative too */
    mpi.elements(status, file->byte, &bytes);
    return bytes < 0 ? otherwise : bytes;
}

/* Classes below MPI_ERR_ACCESS, the first of those of files: 20 in MPICH as in Open MPI. */
int mpi_blames_arguments(int error)
{
    int class = 0;
    mpi.error_class(error, &class);
    return class < 20;
}

/* ------------------------------------------------------------------------------ its extents */

static void walk_pieces(const struct mpi_file *file, int64_t byte, int64_t left,
                        struct extents *extents)
{
    const struct pieces *pieces = &file->pieces;
    int64_t start = file->displacement + byte / pieces->bytes * pieces->extent;
    int64_t rest = byte % pieces->bytes, k = piece_of(pieces, rest);
    while (left > 0) {
        int64_t end = k + 1 < pieces->n ? pieces->at[k + 1].before : pieces->bytes;
        int64_t bytes = end - rest < left ? end - rest : left;
        extents_add(extents, start + pieces->at[k].offset + rest - pieces->at[k].before, bytes);
        left -= bytes;
        rest = end;
        if (++k == pieces->n) {
            k = 0;
            rest = 0;
            start += pieces->extent;
        }
    }
}

/* How many of the `most` etypes from a position lie side by side. Offsets ascend, so that some do
 * if the last of them is as far from the first as that. Often it is as many as the last time. */
static int64_t side_by_side(const struct mpi_file *file, int64_t position, int64_t most,
                            int64_t guess)
{
    int64_t start = mpi_offset(file, position), few = 1, many = most + 1, try = guess;
    while (many - few > 1) {
        if (try <= few || try >= many)
            try = few + (many - few) / 2;
        if (mpi_offset(file, position + try - 1) - start == (try - 1) * file->etype) {
            few = try;
            try = try == guess ? guess + 1 : 0;
        } else {
            many = try;
            try = 0;
        }
    }
    return few;
}

/* Without the filetype's pieces: MPI is asked where etypes lie, which takes it longer and longer. */
static void probe(const struct mpi_file *file, int64_t position, int64_t left,
                  struct extents *extents)
{
    enum { MOST = 512 };
    int64_t run = left ? left : 1;
    for (int n = 0; left && n < MOST; n++) {
        run = side_by_side(file, position, left, run);
        extents_add(extents, mpi_offset(file, position), run * file->etype);
        position += run;
        left -= run;
    }
    call_drop((left + run - 1) / run); /* as many as there are if all are as long as the last */
}

void mpi_parts(const struct mpi_file *file, int64_t position, const struct call *call,
               const struct what *what)
{
    struct extents extents = extents_begin(call, what, what->result);
    if (!what->length || !file->etype)
        return;
    if (file->pieces.bytes)
        walk_pieces(file, position * file->etype, what->length, &extents);
    else
        probe(file, position, what->length / file->etype, &extents);
    extents_end(&extents);
}
