/* Calls on a path: what is removed, renamed or cut. */
#include "emulate.h"
#include "route.h"

#include <linux/fs.h> /* RENAME_EXCHANGE, which libc has since 2.28 */
#include <stdio.h>
#include <unistd.h>

static int32_t file_at(int directory, const char *path)
{
    char absolute[PATH_BYTES];
    if (!absolute_path(directory, path, absolute) || !path_wanted(absolute))
        return -1;
    return name_of(absolute);
}

/* A path that points nowhere isn't looked at. Only a whole link counts, not a directory. */
static int finished(struct call *call, int result, int directory, const char *path,
                    struct what what)
{
    call_stop(call);
    if (noticing() && (result >= 0 || call->error != EFAULT)) {
        what.layer = LAYER_POSIX;
        what.file = file_at(directory, path);
        what.result = result < 0 ? -call->error : result;
        if (what.file >= 0)
            call_end(call, &what);
    }
    errno = call->error;
    return result;
}

/* Define a wrapper: what it does, its name, parameters, arguments, the offset of its record, what
 * it is when routed. */
#define NAMED(what_op, name, parameters, arguments, where, instead) \
    UNDER(int, name, parameters, arguments, routed_path(path), instead) \
    EXPORT int name parameters \
    { \
        struct call call = call_begin(); \
        struct named before = emulate_name(AT_FDCWD, path); \
        int result = under_##name arguments; \
        emulate_named(&before, what_op, where, result); \
        struct what what = {.op = what_op, .call = CALL_##name, .offset = where}; \
        return finished(&call, result, AT_FDCWD, path, what); \
    }

/* The same of one that renames: its name, parameters, arguments, directories, flags. */
#define RENAMES(name, parameters, arguments, from, to, flags) \
    UNDER(int, name, parameters, arguments, routed_at(from, old) || routed_at(to, new), \
          route_rename(from, old, to, new, flags)) \
    EXPORT int name parameters \
    { \
        struct call call = call_begin(); \
        struct named file = emulate_name(from, old), victim = emulate_name(to, new); \
        int result = under_##name arguments; \
        if (unlikely(emulating) && !result) \
            emulate_renamed(&file, &victim, to, new, (flags) & RENAME_EXCHANGE); \
        struct what what = {.op = OP_RENAME, .call = CALL_##name, .offset = -1}; \
        return finished(&call, result, from, old, what); \
    }

/* clang-format off */
NAMED(OP_REMOVE, unlink, (const char *path), (path), -1, route_unlink(AT_FDCWD, path, 0))
NAMED(OP_REMOVE, remove, (const char *path), (path), -1, route_remove(path))
NAMED(OP_TRUNCATE, truncate, (const char *path, off_t size), (path, size), size,
      route_truncate(path, size))
RENAMES(rename, (const char *old, const char *new), (old, new), AT_FDCWD, AT_FDCWD, 0)
RENAMES(renameat, (int from, const char *old, int to, const char *new), (from, old, to, new),
        from, to, 0)
#if __GLIBC_PREREQ(2, 28)
RENAMES(renameat2, (int from, const char *old, int to, const char *new, unsigned flags),
        (from, old, to, new, flags), from, to, flags)
#endif
/* clang-format on */
EXPORT int truncate64(const char *, off64_t) __attribute__((alias("truncate")));

UNDER(int, unlinkat, (int directory, const char *path, int flags), (directory, path, flags),
      routed_at(directory, path), route_unlink(directory, path, flags))

EXPORT int unlinkat(int directory, const char *path, int flags)
{
    if (flags & AT_REMOVEDIR)
        return under_unlinkat(directory, path, flags);
    struct call call = call_begin();
    struct named before = emulate_name(directory, path);
    int result = under_unlinkat(directory, path, flags);
    emulate_named(&before, OP_REMOVE, -1, result);
    struct what what = {.op = OP_REMOVE, .call = CALL_unlinkat, .offset = -1};
    return finished(&call, result, directory, path, what);
}
