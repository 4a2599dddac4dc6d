/* The calls of HDF5 as programs and h5py make them, each in front of the real one.
 *
 * As in mpiio.h, all arguments are integers or pointers, so one type serves all calls: those beyond
 * the sixth lie on the stack, where reading words that a caller didn't put there does no harm.
 */
#include "hdf5.h"

#include <stddef.h>

enum shape {
    OF_NAME, /* the first argument is the name of a file */
    OF_ID,   /* an id of something that lies in a file */
    OF_ID_2, /* it is the second argument, */
    OF_ID_3, /* or the third */
    OF_DATA, /* an id of anything; only files and datasets count */
    OF_LIST, /* a number of datasets, and their ids */
};

struct form;
typedef void note_it(const struct hdf5 *library, const word *a, struct call *call, struct what *what);

struct form {
    const char *name;
    enum op op;
    int call;
    enum shape shape;
    int narrow;    /* it returns an int, not an id */
    note_it *note; /* after its success; NULL: there is no more to tell */
    _Atomic(h5_call *) found[LIBRARIES];
};

static h5_call *real_call(struct form *form, const struct hdf5 *library)
{
    _Atomic(h5_call *) *place = &form->found[library->number];
    h5_call *call = atomic_load_explicit(place, memory_order_acquire);
    if (unlikely(!call)) {
        *(void **)&call = real_near(form->name, library->base);
        atomic_store_explicit(place, call, memory_order_release);
    }
    return call;
}

/* Of a library that can't be told from others: it is called, and not recorded. */
static h5_call *unknown_call(const struct form *form, const void *caller)
{
    h5_call *call;
    *(void **)&call = real_near(form->name, caller);
    return call;
}

static word pass(h5_call *call, const word a[8])
{
    return call(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
}

static int32_t file_of(const struct form *form, const struct hdf5 *library, const word a[8])
{
    switch (form->shape) {
    case OF_NAME:
        return a[0] ? file_of_interest((const char *)a[0]) : -1;
    case OF_LIST:
        return a[0] && a[1] ? hdf5_file(library, *(const hid *)a[1]) : -1;
    case OF_DATA:
        return hdf5_holds_data(library, (hid)a[0]) ? hdf5_file(library, (hid)a[0]) : -1;
    default:
        return hdf5_file(library, (hid)a[form->shape - OF_ID]);
    }
}

static int failed(const struct form *form, word result)
{
    return form->narrow ? (int)result < 0 : (int64_t)result < 0;
}

static word recorded(const struct form *form, const struct hdf5 *library, h5_call *call_it,
                     const word a[8], int32_t file)
{
    struct call call = call_enter();
    word result = pass(call_it, a);
    call_stop(&call);
    struct what what = {LAYER_HDF5, form->op, form->call, 0, file, -1, 0, 0, 0};
    if (form->narrow)
        what.result = (int)result;
    if (failed(form, result))
        what.result = -1;
    else if (form->note) {
        me.quiet++;
        form->note(library, a, &call, &what);
        me.quiet--;
    }
    call_end(&call, &what);
    return result;
}

static word through(struct form *form, const word a[8], const void *caller)
{
    const struct hdf5 *library = hdf5_of(caller);
    h5_call *call = library ? real_call(form, library) : unknown_call(form, caller);
    if (!call)
        return (word)-1; /* this HDF5 hasn't it: nobody could have called it without us */
    int32_t file = library ? file_of(form, library, a) : -1;
    return file < 0 ? pass(call, a) : recorded(form, library, call, a, file);
}

#define FORM(type, name, op, call, shape, note) \
    static struct form form_##name \
        = {#name, op, CALL_##call, shape, sizeof(type) == sizeof(int), note, {NULL}}; \
    EXPORT type name(word a, word b, word c, word d, word e, word f, word g, word h) \
    { \
        return (type)through(&form_##name, (word[]){a, b, c, d, e, f, g, h}, \
                             __builtin_return_address(0)); \
    }

/* ------------------------------------------------------------------------------- transfers */

#define COLLECTIVE 1 /* H5FD_MPIO_COLLECTIVE */

/* Whether collective I/O was asked for, and what became of it; only a parallel HDF5 knows. */
static void note_collective(const struct hdf5 *library, hid plist, struct what *what)
{
    int asked = 0, mode = 0;
    uint32_t local = 0, global = 0;
    if (!plist || !library->transfer_mode || library->transfer_mode(plist, &asked) < 0
        || asked != COLLECTIVE)
        return;
    what->flags |= FLAG_COLLECTIVE;
    if (library->actual_mode && library->no_collective_cause) {
        library->actual_mode(plist, &mode);
        library->no_collective_cause(plist, &local, &global);
    }
    what->aux = (uint64_t)(mode & 255) | (uint64_t)(local & 0xffffff) << 8 | (uint64_t)global << 32;
}

/* The bytes in memory: as many elements as either space picks, of the size that memory has. */
static int64_t move(const struct hdf5 *library, hid dataset, hid type, hid space, struct extents *all)
{
    int64_t elements = hdf5_select(library, dataset, space, all);
    return elements > 0 ? elements * (int64_t)library->type_size(type) : 0;
}

static void note_transfer(const struct hdf5 *library, const word *a, struct call *call,
                          struct what *what)
{
    struct extents all = extents_begin(call, what, INT64_MAX);
    note_collective(library, (hid)a[4], what);
    int64_t bytes = move(library, (hid)a[0], (hid)a[1], (hid)a[3], &all);
    extents_end(&all);
    what->offset = all.first;
    what->length = what->result = bytes;
}

static void note_transfers(const struct hdf5 *library, const word *a, struct call *call,
                           struct what *what)
{
    struct extents all = extents_begin(call, what, INT64_MAX);
    const hid *datasets = (const hid *)a[1], *types = (const hid *)a[2];
    const hid *spaces = (const hid *)a[4];
    int64_t bytes = 0;
    note_collective(library, (hid)a[5], what);
    for (word i = 0; i < a[0]; i++)
        bytes += move(library, datasets[i], types[i], spaces[i], &all);
    extents_end(&all);
    what->offset = all.first;
    what->length = what->result = bytes;
}

static void note_chunk(const struct hdf5 *library, hid dataset, const uint64_t *at, struct what *what)
{
    unsigned filters;
    uint64_t offset, size;
    if (!library->chunk || library->chunk(dataset, at, &filters, &offset, &size) < 0)
        return;
    what->offset = (int64_t)offset;
    what->length = what->result = (int64_t)size;
}

static void note_chunk_read(const struct hdf5 *library, const word *a, struct call *call,
                            struct what *what)
{
    (void)call;
    note_chunk(library, (hid)a[0], (const uint64_t *)a[2], what);
}

static void note_chunk_write(const struct hdf5 *library, const word *a, struct call *call,
                             struct what *what)
{
    (void)call;
    note_chunk(library, (hid)a[0], (const uint64_t *)a[3], what);
    what->length = what->result = (int64_t)a[4];
}

static void note_attribute(const struct hdf5 *library, const word *a, struct call *call,
                           struct what *what)
{
    (void)call;
    what->length = what->result = (int64_t)library->attribute_bytes((hid)a[0]);
}

FORM(int, H5Dread, OP_READ, H5Dread, OF_ID, note_transfer)
FORM(int, H5Dwrite, OP_WRITE, H5Dwrite, OF_ID, note_transfer)
FORM(int, H5Dread_multi, OP_READ, H5Dread_multi, OF_LIST, note_transfers)
FORM(int, H5Dwrite_multi, OP_WRITE, H5Dwrite_multi, OF_LIST, note_transfers)
FORM(int, H5Dread_chunk, OP_READ, H5Dread_chunk, OF_ID, note_chunk_read)
FORM(int, H5Dread_chunk1, OP_READ, H5Dread_chunk, OF_ID, note_chunk_read)
FORM(int, H5Dread_chunk2, OP_READ, H5Dread_chunk, OF_ID, note_chunk_read)
FORM(int, H5Dwrite_chunk, OP_WRITE, H5Dwrite_chunk, OF_ID, note_chunk_write)
FORM(int, H5Aread, OP_META, H5Aread, OF_ID, note_attribute)
FORM(int, H5Awrite, OP_META, H5Awrite, OF_ID, note_attribute)

/* ------------------------------------------------------------------------------- all others */

#define PLAIN(type, name, op, call) FORM(type, name, op, call, OF_ID, NULL)
#define META(type, name, call) PLAIN(type, name, OP_META, call)

FORM(hid, H5Fcreate, OP_OPEN, H5Fcreate, OF_NAME, NULL)
FORM(hid, H5Fopen, OP_OPEN, H5Fopen, OF_NAME, NULL)
PLAIN(int, H5Fclose, OP_CLOSE, H5Fclose)
PLAIN(int, H5Fflush, OP_SYNC, H5Fflush)

PLAIN(hid, H5Dcreate1, OP_CREATE, H5Dcreate2)
PLAIN(hid, H5Dcreate2, OP_CREATE, H5Dcreate2)
PLAIN(hid, H5Dcreate_anon, OP_CREATE, H5Dcreate_anon)
PLAIN(hid, H5Dopen1, OP_OPEN, H5Dopen2)
PLAIN(hid, H5Dopen2, OP_OPEN, H5Dopen2)
PLAIN(int, H5Dclose, OP_CLOSE, H5Dclose)
PLAIN(int, H5Dset_extent, OP_TRUNCATE, H5Dset_extent)
PLAIN(int, H5Dflush, OP_SYNC, H5Dflush)
META(int, H5Drefresh, H5Drefresh)

META(hid, H5Acreate1, H5Acreate2)
META(hid, H5Acreate2, H5Acreate2)
META(hid, H5Acreate_by_name, H5Acreate_by_name)
META(hid, H5Aopen, H5Aopen)
META(hid, H5Aopen_name, H5Aopen)
META(hid, H5Aopen_idx, H5Aopen_by_idx)
META(hid, H5Aopen_by_name, H5Aopen_by_name)
META(hid, H5Aopen_by_idx, H5Aopen_by_idx)
META(int, H5Aclose, H5Aclose)
META(int, H5Adelete, H5Adelete)
META(int, H5Adelete_by_name, H5Adelete)
META(int, H5Arename, H5Arename)
META(int, H5Arename_by_name, H5Arename)
META(int, H5Aexists, H5Aexists)
META(int, H5Aexists_by_name, H5Aexists)
META(int, H5Aiterate2, H5Aiterate)

META(hid, H5Gcreate1, H5Gcreate2)
META(hid, H5Gcreate2, H5Gcreate2)
META(hid, H5Gcreate_anon, H5Gcreate2)
META(hid, H5Gopen1, H5Gopen2)
META(hid, H5Gopen2, H5Gopen2)
META(int, H5Gclose, H5Gclose)
META(int, H5Gget_info, H5Gget_info)
META(int, H5Gget_num_objs, H5Gget_info)
META(hid, H5Gget_objname_by_idx, H5Lget_name_by_idx)
META(int, H5Gget_objinfo, H5Oget_info)
META(int, H5Gget_linkval, H5Lget_val)
META(int, H5Giterate, H5Literate)
META(int, H5Gunlink, H5Ldelete)

META(int, H5Lcreate_hard, H5Lcreate_hard)
FORM(int, H5Lcreate_soft, OP_META, H5Lcreate_soft, OF_ID_2, NULL)
FORM(int, H5Lcreate_external, OP_META, H5Lcreate_external, OF_ID_3, NULL)
META(int, H5Ldelete, H5Ldelete)
META(int, H5Lmove, H5Lmove)
META(int, H5Lcopy, H5Lcopy)
META(int, H5Lexists, H5Lexists)
META(int, H5Lget_info, H5Lget_info)
META(int, H5Lget_info1, H5Lget_info)
META(int, H5Lget_info2, H5Lget_info)
META(int, H5Lget_val, H5Lget_val)
META(hid, H5Lget_name_by_idx, H5Lget_name_by_idx)
META(int, H5Literate, H5Literate)
META(int, H5Literate1, H5Literate)
META(int, H5Literate2, H5Literate)
META(int, H5Lvisit, H5Lvisit)
META(int, H5Lvisit1, H5Lvisit)
META(int, H5Lvisit2, H5Lvisit)

/* How h5py closes what it opened: with the last reference. */
static void note_release(const struct hdf5 *library, const word *a, struct call *call,
                         struct what *what)
{
    (void)library, (void)a, (void)call;
    if (what->result > 0)
        what->op = OP_META;
}

FORM(int, H5Idec_ref, OP_CLOSE, H5Idec_ref, OF_DATA, note_release)

static struct form form_H5close = {.name = "H5close"};

EXPORT int H5close(void)
{
    const void *caller = __builtin_return_address(0);
    const struct hdf5 *library = hdf5_of(caller);
    h5_call *call = library ? real_call(&form_H5close, library) : unknown_call(&form_H5close, caller);
    hdf5_forget();
    return call ? (int)call(0, 0, 0, 0, 0, 0, 0, 0) : -1;
}

META(hid, H5Oopen, H5Oopen)
META(hid, H5Oopen_by_idx, H5Oopen)
META(int, H5Oclose, H5Oclose)
META(int, H5Ocopy, H5Ocopy)
META(int, H5Olink, H5Olink)
META(int, H5Oexists_by_name, H5Oexists_by_name)
META(int, H5Oget_info, H5Oget_info)
META(int, H5Oget_info1, H5Oget_info)
META(int, H5Oget_info2, H5Oget_info)
META(int, H5Oget_info3, H5Oget_info)
META(int, H5Ovisit, H5Ovisit)
META(int, H5Ovisit1, H5Ovisit)
META(int, H5Ovisit2, H5Ovisit)
META(int, H5Ovisit3, H5Ovisit)
