/* The calls of MPI-IO, each in front of the real one. PMPI_ names stay what they are. */
#include "mpiio.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define ERR_COUNT 2   /* MPI_ERR_COUNT of every MPI */
#define ERR_OTHER 15  /* for what this MPI hasn't: nobody could have called it without us */
#define STATUS_WORDS 32 /* more than any MPI_Status takes */

/* A function of the MPI that the caller uses, found once. */
static mpi_call *find(_Atomic(mpi_call *) *place, const char *name, const void *caller)
{
    mpi_call *call = atomic_load_explicit(place, memory_order_acquire);
    if (unlikely(!call)) {
        *(void **)&call = real_near(name, caller);
        atomic_store_explicit(place, call, memory_order_release);
    }
    return call;
}

#define CALLER __builtin_return_address(0)

/* ------------------------------------------------------------------------------- transfers */

enum shape {
    AT = 1,     /* with an explicit offset, before the buffer */
    SHARED = 2, /* with the shared file pointer: where is not known before all others are heard */
    ALL = 4,    /* collective */
    BEGINS = 8, /* the call only begins the transfer: it has no status */
    SPLIT = 16, /* and another one ends it */
};

/* One transfer by its name, and with `_c` by its large-count form. */
struct form {
    const char *name;
    enum op op;
    int call;
    enum shape shape;
    _Atomic(mpi_call *) plain, large;
};

static unsigned flags_of(const struct form *form)
{
    return (form->shape & ALL ? FLAG_COLLECTIVE : 0) | (form->shape & BEGINS ? FLAG_NONBLOCKING : 0);
}

/* The real call. mpi4py binds the large-count forms weakly, so with ours there it would call them
 * on an MPI that has none: the plain form does it then, as mpi4py itself would have done. */
static mpi_call *real_call(struct form *form, int large, const void *caller)
{
    char name[64] = "MPI_File_";
    strcat(name, form->name);
    mpi_call *plain = find(&form->plain, name, caller);
    if (!large)
        return plain;
    mpi_call *call = find(&form->large, strcat(name, "_c"), caller);
    if (!call)
        atomic_store_explicit(&form->large, plain, memory_order_release);
    return call ? call : plain;
}

/* What only the real call's success lets us ask, and the extents of a strided view. */
static void measure(struct mpi_file *file, const struct form *form, const word *item,
                    int64_t position, const struct call *call, struct what *what)
{
    if (form->shape & BEGINS)
        what->result = what->length;
    else
        what->result = mpi_moved(file, (const void *)item[3], what->length);
    if (position < 0)
        return;
    what->offset = mpi_offset(file, position);
    if (!file->dense)
        mpi_parts(file, position, call, what);
}

static int recorded(struct mpi_file *file, const struct form *form, mpi_call *call_it, word a[6],
                    word *item, int64_t count)
{
    word own[STATUS_WORDS];
    bool shared = form->shape & SHARED, at = form->shape & AT;
    if (!(form->shape & BEGINS) && item[3] <= 1) /* MPI_STATUS_IGNORE: 1 in MPICH, else 0 */
        item[3] = (word)own;
    int64_t position = shared ? -1 : at ? (int64_t)a[1] : mpi_position(file);
    struct call call = call_enter();
    int error = pass(call_it, a);
    call_stop(&call);
    struct what what = {LAYER_MPIIO, form->op, form->call, flags_of(form), file->name,
                        -1, 0, error ? -(int64_t)error : 0, 0};
    me.quiet++;
    if (!error || !mpi_blames_arguments(error))
        what.length = count * mpi_size(item[2]);
    if (!error)
        measure(file, form, item, position, &call, &what);
    me.quiet--;
    call_end(&call, &what);
    if (form->shape & SPLIT)
        file->begun = error ? NULL : call.record;
    return error;
}

static int transfer(struct form *form, int large, word a[6], const void *caller)
{
    word *item = a + (form->shape & AT ? 2 : 1); /* buffer, count, datatype, status or request */
    int64_t count = large ? (int64_t)item[1] : (int)item[1];
    mpi_call *call = atomic_load_explicit(large ? &form->large : &form->plain, memory_order_acquire);
    if (unlikely(!call) && !(call = real_call(form, large, caller)))
        return ERR_OTHER;
    if (unlikely(count > INT_MAX) && call == form->plain)
        return ERR_COUNT;
    struct mpi_file *file = mpi_file_find(a[0]);
    return file ? recorded(file, form, call, a, item, count) : pass(call, a);
}

#define TRANSFER(name, op, shape) \
    static struct form form_##name = {#name, op, CALL_MPI_File_##name, shape, NULL, NULL}; \
    EXPORT int MPI_File_##name(word a, word b, word c, word d, word e, word f) \
    { \
        return transfer(&form_##name, 0, (word[]){a, b, c, d, e, f}, CALLER); \
    } \
    EXPORT int MPI_File_##name##_c(word a, word b, word c, word d, word e, word f) \
    { \
        return transfer(&form_##name, 1, (word[]){a, b, c, d, e, f}, CALLER); \
    }

/* The end of a split collective call is a wait. Only now the bytes that its begin moved are known. */
static int end_split(struct form *form, word a[6], const void *caller)
{
    word own[STATUS_WORDS];
    mpi_call *call_it = real_call(form, 0, caller);
    struct mpi_file *file = mpi_file_find(a[0]);
    if (!call_it)
        return ERR_OTHER;
    if (!file)
        return pass(call_it, a);
    if (a[2] <= 1)
        a[2] = (word)own;
    struct call call = call_enter();
    int error = pass(call_it, a);
    call_stop(&call);
    if (!error && file->begun)
        file->begun->result = mpi_moved(file, (const void *)a[2], file->begun->result);
    file->begun = NULL;
    call_end(&call, &(struct what){LAYER_MPIIO, form->op, form->call, flags_of(form), file->name, -1,
                                   0, -(int64_t)error, 0});
    return error;
}

#define SPLIT_END(name) \
    static struct form form_##name = {#name, OP_BARRIER, CALL_MPI_File_##name, ALL, NULL, NULL}; \
    EXPORT int MPI_File_##name(word a, word b, word c, word d, word e, word f) \
    { \
        return end_split(&form_##name, (word[]){a, b, c, d, e, f}, CALLER); \
    }

#define ALL_FORMS(move, op) \
    TRANSFER(move, op, 0) \
    TRANSFER(move##_all, op, ALL) \
    TRANSFER(move##_at, op, AT) \
    TRANSFER(move##_at_all, op, AT | ALL) \
    TRANSFER(move##_shared, op, SHARED) \
    TRANSFER(move##_ordered, op, SHARED | ALL) \
    TRANSFER(i##move, op, BEGINS) \
    TRANSFER(i##move##_all, op, ALL | BEGINS) \
    TRANSFER(i##move##_at, op, AT | BEGINS) \
    TRANSFER(i##move##_at_all, op, AT | ALL | BEGINS) \
    TRANSFER(i##move##_shared, op, SHARED | BEGINS) \
    TRANSFER(move##_all_begin, op, ALL | BEGINS | SPLIT) \
    TRANSFER(move##_at_all_begin, op, AT | ALL | BEGINS | SPLIT) \
    TRANSFER(move##_ordered_begin, op, SHARED | ALL | BEGINS | SPLIT) \
    SPLIT_END(move##_all_end) \
    SPLIT_END(move##_at_all_end) \
    SPLIT_END(move##_ordered_end)

ALL_FORMS(read, OP_READ)
ALL_FORMS(write, OP_WRITE)

/* ------------------------------------------------------------------------ what isn't a transfer */

/* `ufs:/path` names the file system to MPI-IO; the file is /path. */
static int32_t name_of_file(const char *name)
{
    static const char *const systems[]
        = {"ufs:", "nfs:", "lustre:", "gpfs:", "panfs:", "pvfs2:", "xfs:", "testfs:", "daos:", "ime:"};
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++)
        if (!strncmp(name, systems[i], strlen(systems[i])))
            return file_of_interest(name + strlen(systems[i]));
    return file_of_interest(name);
}

static struct what plain_what(enum op op, int call, int32_t name, int error)
{
    return (struct what){LAYER_MPIIO, op, call, 0, name, -1, 0, -(int64_t)error, 0};
}

EXPORT int MPI_File_open(word comm, const char *name, int mode, word info, word *handle)
{
    static _Atomic(mpi_call *) place;
    mpi_call *real_open = find(&place, "MPI_File_open", CALLER);
    int32_t index = name_of_file(name);
    if (index < 0)
        return real_open(comm, (word)name, (word)mode, info, (word)handle, 0);
    struct call call = call_enter();
    int error = real_open(comm, (word)name, (word)mode, info, (word)handle, 0);
    call_stop(&call);
    struct what what = plain_what(OP_OPEN, CALL_MPI_File_open, index, error);
    what.flags = FLAG_COLLECTIVE;
    me.quiet++;
    if (!error && !mpi_file_add(*handle, index, (const void *)real_open))
        call_drop(1);
    me.quiet--;
    call_end(&call, &what);
    return error;
}

EXPORT int MPI_File_delete(const char *name, word info)
{
    static _Atomic(mpi_call *) place;
    mpi_call *real_delete = find(&place, "MPI_File_delete", CALLER);
    int32_t index = name_of_file(name);
    if (index < 0)
        return real_delete((word)name, info, 0, 0, 0, 0);
    struct call call = call_enter();
    int error = real_delete((word)name, info, 0, 0, 0, 0);
    call_stop(&call);
    struct what what = plain_what(OP_REMOVE, CALL_MPI_File_delete, index, error);
    call_end(&call, &what);
    return error;
}

EXPORT int MPI_File_close(word *handle)
{
    static _Atomic(mpi_call *) place;
    mpi_call *real_close = find(&place, "MPI_File_close", CALLER);
    struct mpi_file *file = mpi_file_find(*handle);
    if (!file)
        return real_close((word)handle, 0, 0, 0, 0, 0);
    int32_t name = file->name;
    mpi_file_remove(file); /* before another open is given the same handle */
    struct call call = call_enter();
    int error = real_close((word)handle, 0, 0, 0, 0, 0);
    call_stop(&call);
    struct what what = plain_what(OP_CLOSE, CALL_MPI_File_close, name, error);
    what.flags = FLAG_COLLECTIVE;
    call_end(&call, &what);
    return error;
}

/* A call on an open file. `note` runs after its success, and completes what is told of it. */
typedef void note_it(struct mpi_file *file, const word a[6], struct what *what);

struct other {
    const char *name;
    enum op op;
    int call;
    unsigned flags;
    note_it *note;
    _Atomic(mpi_call *) place;
};

static int on_file(struct other *other, word a[6], const void *caller)
{
    mpi_call *call_it = find(&other->place, other->name, caller);
    struct mpi_file *file = mpi_file_find(a[0]);
    if (!file)
        return pass(call_it, a);
    struct call call = call_enter();
    int error = pass(call_it, a);
    call_stop(&call);
    struct what what = plain_what(other->op, other->call, file->name, error);
    what.flags = other->flags;
    me.quiet++;
    if (!error)
        other->note(file, a, &what);
    me.quiet--;
    call_end(&call, &what);
    return error;
}

static void note_nothing(struct mpi_file *file, const word a[6], struct what *what)
{
    (void)file, (void)a, (void)what;
}

static void note_new_size(struct mpi_file *file, const word a[6], struct what *what)
{
    (void)file;
    what->offset = (int64_t)a[1];
}

static void note_allocated(struct mpi_file *file, const word a[6], struct what *what)
{
    (void)file;
    what->offset = 0;
    what->length = (int64_t)a[1];
}

static void note_view(struct mpi_file *file, const word a[6], struct what *what)
{
    what->offset = (int64_t)a[1];
    mpi_file_view(file, (int64_t)a[1], a[2], a[3]);
}

static void note_seek(struct mpi_file *file, const word a[6], struct what *what)
{
    (void)a;
    what->offset = mpi_offset(file, mpi_position(file));
}

#define ON_FILE(name, op, flags, note) \
    static struct other other_##name \
        = {"MPI_File_" #name, op, CALL_MPI_File_##name, flags, note, NULL}; \
    EXPORT int MPI_File_##name(word a, word b, word c, word d, word e, word f) \
    { \
        return on_file(&other_##name, (word[]){a, b, c, d, e, f}, CALLER); \
    }

ON_FILE(set_view, OP_SET_VIEW, FLAG_COLLECTIVE, note_view)
ON_FILE(set_info, OP_SET_INFO, FLAG_COLLECTIVE, note_nothing)
ON_FILE(set_atomicity, OP_SET_INFO, FLAG_COLLECTIVE, note_nothing)
ON_FILE(set_size, OP_TRUNCATE, FLAG_COLLECTIVE, note_new_size)
ON_FILE(preallocate, OP_ALLOCATE, FLAG_COLLECTIVE, note_allocated)
ON_FILE(sync, OP_SYNC, FLAG_COLLECTIVE, note_nothing)
ON_FILE(seek, OP_SEEK, 0, note_seek)
ON_FILE(seek_shared, OP_SEEK, FLAG_COLLECTIVE, note_nothing)
