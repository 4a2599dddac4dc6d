/* stdio on files of interest. libc's own reads and writes behind it can't be seen, so what is
 * recorded are the program's calls, at the offset in the file that they are about. Bytes that
 * other calls moved (fputc, fscanf, ...) are found by the next one that is seen, as one record.
 */
#include "emulate.h"
#include "route.h"

#undef __USE_EXTERN_INLINES /* stdio.h would define getline, which we do */
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* `position` of a stream's descriptor is what the records reach to. */
static struct descriptor *stream(FILE *file)
{
    int error = errno;
    struct descriptor *d = descriptor(fileno(file));
    errno = error;
    return d;
}

static int64_t place_in(FILE *file)
{
    return fwide(file, 0) > 0 ? -1 : ftello(file);
}

static void record_stream(struct call *call, const struct descriptor *d, struct what what)
{
    what.layer = LAYER_POSIX;
    what.file = descriptor_file(d);
    call_end(call, &what);
}

/* Record what unseen calls moved, up to `place`. Nobody knows when: the time is now. */
static void catch_up(FILE *file, struct descriptor *d, int64_t place)
{
    int64_t seen = atomic_load(&d->position), moved = place - seen;
    if (moved <= 0 || d->flags & KNOWN_APPEND)
        return;
    struct call call = call_begin();
    call_stop(&call);
    record_stream(&call, d, (struct what){
        .op = __fwriting(file) ? OP_WRITE : OP_READ, .call = CALL_stdio, .offset = seen,
        .length = moved, .result = moved});
}

/* Before a call that moves elsewhere: afterwards nobody can tell. */
static void catch_up_now(FILE *file, struct descriptor *d)
{
    int error = errno;
    catch_up(file, d, place_in(file));
    errno = error;
}

static void moved_bytes(struct call *call, FILE *file, struct descriptor *d, struct what what,
                        int64_t moved)
{
    call_stop(call);
    int64_t place = place_in(file);
    what.result = moved > 0 ? moved : ferror(file) ? -call->error : 0;
    what.offset = place < 0 ? -1 : place - (moved > 0 ? moved : 0);
    catch_up(file, d, what.offset);
    if (place >= 0)
        atomic_store(&d->position, place);
    record_stream(call, d, what);
}

static inline struct streaming watch(FILE *file)
{
    if (likely(!emulating))
        return (struct streaming){0};
    int error = errno, fd = fileno(file);
    errno = error;
    return emulate_stream_of(fd, (int64_t)__fpending(file));
}

/* Define a wrapper of a call that moves bytes: what it does, its name in the trace, its type, name,
 * parameters and arguments, the bytes asked for, and those that it moved, from its `result`. */
#define STREAM(what_op, called, type, name, parameters, arguments, asked, moved) \
    REAL(type, name, parameters) \
    static inline type delayed_##name parameters \
    { \
        struct streaming before = watch(file); \
        type result = real_##name() arguments; \
        int64_t bytes __attribute__((unused)) = (int64_t)(moved); \
        if (unlikely(before.start)) \
            emulate_streamed(&before, what_op, bytes); \
        return result; \
    } \
    EXPORT type name parameters \
    { \
        struct descriptor *d = stream(file); \
        if (likely(!d)) \
            return delayed_##name arguments; \
        struct call call = call_begin(); \
        type result = delayed_##name arguments; \
        int64_t bytes = (int64_t)(moved); \
        struct what what = {.op = what_op, .call = CALL_##called, .length = (int64_t)(asked)}; \
        moved_bytes(&call, file, d, what, bytes); \
        return result; \
    }

#undef fread_unlocked
#undef fwrite_unlocked
#define READ(name, parameters, arguments) \
    STREAM(OP_READ, fread, size_t, name, parameters, arguments, size * n, result * size)
READ(fread, (void *buffer, size_t size, size_t n, FILE *file), (buffer, size, n, file))
READ(fread_unlocked, (void *buffer, size_t size, size_t n, FILE *file), (buffer, size, n, file))
size_t __fread_chk(void *, size_t, size_t, size_t, FILE *);
size_t __fread_unlocked_chk(void *, size_t, size_t, size_t, FILE *);
READ(__fread_chk, (void *buffer, size_t room, size_t size, size_t n, FILE *file),
     (buffer, room, size, n, file))
READ(__fread_unlocked_chk, (void *buffer, size_t room, size_t size, size_t n, FILE *file),
     (buffer, room, size, n, file))

#define WRITE(name) \
    STREAM(OP_WRITE, fwrite, size_t, name, \
           (const void *buffer, size_t size, size_t n, FILE *file), (buffer, size, n, file), \
           size * n, result * size)
WRITE(fwrite)
WRITE(fwrite_unlocked)

#define LINE(name, parameters, arguments) \
    STREAM(OP_READ, fgets, char *, name, parameters, arguments, bytes, result ? strlen(text) : 0)
LINE(fgets, (char *text, int size, FILE *file), (text, size, file))
LINE(fgets_unlocked, (char *text, int size, FILE *file), (text, size, file))
char *__fgets_chk(char *, size_t, int, FILE *);
char *__fgets_unlocked_chk(char *, size_t, int, FILE *);
LINE(__fgets_chk, (char *text, size_t room, int size, FILE *file), (text, room, size, file))
LINE(__fgets_unlocked_chk, (char *text, size_t room, int size, FILE *file),
     (text, room, size, file))

#define PUT(name) \
    STREAM(OP_WRITE, fputs, int, name, (const char *text, FILE *file), (text, file), \
           strlen(text), result < 0 ? 0 : strlen(text))
PUT(fputs)
PUT(fputs_unlocked)

#define GETLINE(name, parameters, arguments) \
    STREAM(OP_READ, getline, ssize_t, name, parameters, arguments, bytes, result < 0 ? 0 : result)
GETLINE(getline, (char **text, size_t *size, FILE *file), (text, size, file))
GETLINE(getdelim, (char **text, size_t *size, int end, FILE *file), (text, size, end, file))
ssize_t __getdelim(char **, size_t *, int, FILE *);
GETLINE(__getdelim, (char **text, size_t *size, int end, FILE *file), (text, size, end, file))

#define PRINT(name, parameters, arguments) \
    STREAM(OP_WRITE, fprintf, int, name, parameters, arguments, bytes, result < 0 ? 0 : result)
PRINT(vfprintf, (FILE *file, const char *format, va_list words), (file, format, words))
int __vfprintf_chk(FILE *, int, const char *, va_list);
int __fprintf_chk(FILE *, int, const char *, ...);
PRINT(__vfprintf_chk, (FILE *file, int flag, const char *format, va_list words),
      (file, flag, format, words))

EXPORT int fprintf(FILE *file, const char *format, ...)
{
    va_list words;
    va_start(words, format);
    int result = vfprintf(file, format, words);
    va_end(words);
    return result;
}

EXPORT int __fprintf_chk(FILE *file, int flag, const char *format, ...)
{
    va_list words;
    va_start(words, format);
    int result = __vfprintf_chk(file, flag, format, words);
    va_end(words);
    return result;
}

/* ------------------------------------------------------------------------------- moving in it */

static int sought(struct call *call, FILE *file, struct descriptor *d, int result)
{
    call_stop(call);
    int64_t place = result ? -1 : place_in(file);
    if (place >= 0)
        atomic_store(&d->position, place);
    record_stream(call, d, (struct what){.op = OP_SEEK, .call = CALL_fseek, .offset = place,
                                         .result = result ? -call->error : place});
    return result;
}

#define SEEK(name, parameters, arguments) \
    REAL(int, name, parameters) \
    static inline int delayed_##name parameters \
    { \
        struct streaming before = watch(file); \
        int result = real_##name() arguments; \
        if (unlikely(before.start)) \
            emulate_flushed(&before); \
        return result; \
    } \
    EXPORT int name parameters \
    { \
        struct descriptor *d = stream(file); \
        if (likely(!d)) \
            return delayed_##name arguments; \
        catch_up_now(file, d); \
        struct call call = call_begin(); \
        int result = delayed_##name arguments; \
        return sought(&call, file, d, result); \
    }
SEEK(fseek, (FILE *file, long offset, int whence), (file, offset, whence))
SEEK(fseeko, (FILE *file, off_t offset, int whence), (file, offset, whence))
SEEK(fsetpos, (FILE *file, const fpos_t *place), (file, place))
EXPORT int fseeko64(FILE *, off64_t, int) __attribute__((alias("fseeko")));
EXPORT int fsetpos64(FILE *, const fpos64_t *) __attribute__((alias("fsetpos")));

REAL(void, rewind, (FILE *))

EXPORT void rewind(FILE *file)
{
    struct descriptor *d = stream(file);
    if (d)
        catch_up_now(file, d);
    struct call call = call_begin();
    struct streaming before = watch(file);
    real_rewind()(file);
    if (unlikely(before.start))
        emulate_flushed(&before);
    if (d)
        sought(&call, file, d, 0);
}

REAL(int, fflush, (FILE *))
REAL(int, fflush_unlocked, (FILE *))

static int flushed(FILE *file, int (*flush)(FILE *))
{
    struct streaming before = file ? watch(file) : (struct streaming){0};
    int result = flush(file);
    if (unlikely(before.start))
        emulate_flushed(&before);
    return result;
}

EXPORT int fflush(FILE *file)
{
    return flushed(file, real_fflush());
}

EXPORT int fflush_unlocked(FILE *file)
{
    return flushed(file, real_fflush_unlocked());
}

/* ------------------------------------------------------------------------- opening and closing */

static int flags_of(const char *mode)
{
    int more = strchr(mode, '+') != NULL;
    int flags = more ? O_RDWR : *mode == 'r' ? O_RDONLY : O_WRONLY;
    if (*mode != 'r')
        flags |= O_CREAT | (*mode == 'a' ? O_APPEND : O_TRUNC);
    flags |= (strchr(mode, 'x') ? O_EXCL : 0) | (strchr(mode, 'e') ? O_CLOEXEC : 0);
    return flags;
}

static FILE *opened(struct call *call, FILE *file, const char *path, const char *mode, int number)
{
    if (unlikely(emulating) && file)
        emulate_opened(fileno(file), AT_FDCWD, path, flags_of(mode), call->start);
    call_stop(call);
    if (noticing() && (file || call->error != EFAULT)) {
        int fd = file ? fileno(file) : -1, flags = flags_of(mode);
        descriptor_close(fd);
        int32_t index = opened_file(fd, AT_FDCWD, path);
        if (index >= 0) {
            if (file)
                descriptor_open(fd, index, flags);
            call_end(call, &(struct what){
                .layer = LAYER_POSIX, .op = OP_OPEN, .call = number, .file = index, .offset = -1,
                .result = file ? fd : -call->error, .aux = (unsigned)flags});
        }
    }
    errno = call->error;
    return file;
}

REAL(FILE *, fopen, (const char *, const char *))

EXPORT FILE *fopen(const char *path, const char *mode)
{
    if (routed_path(path))
        return route_fopen(path, flags_of(mode), mode);
    struct call call = call_begin();
    FILE *file = real_fopen()(path, mode);
    return opened(&call, file, path, mode, CALL_fopen);
}

UNDER(FILE *, freopen, (const char *path, const char *mode, FILE *file), (path, mode, file),
      routed_path(path), (route_refuse(EOPNOTSUPP), NULL))

EXPORT FILE *freopen(const char *path, const char *mode, FILE *file)
{
    struct descriptor *d = stream(file);
    if (d)
        catch_up_now(file, d);
    if (!path) /* the same file in another mode */
        return real_freopen()(path, mode, file);
    if (d && process_is_ours())
        descriptor_close(fileno(file));
    struct call call = call_begin();
    FILE *result = under_freopen(path, mode, file);
    return opened(&call, result, path, mode, CALL_freopen);
}

PASS(FILE *, fdopen, (int fd, const char *mode), (fd, mode), routed(fd),
     route_fdopen(fd, flags_of(mode), mode))

EXPORT FILE *fopen64(const char *, const char *) __attribute__((alias("fopen")));
EXPORT FILE *freopen64(const char *, const char *, FILE *) __attribute__((alias("freopen")));

REAL(int, fclose, (FILE *))

static inline int delayed_fclose(FILE *file)
{
    struct streaming before = watch(file);
    int32_t number = before.start ? emulate_forget(before.fd) : 0;
    int result = real_fclose()(file);
    if (unlikely(number))
        emulate_ended(number, &before);
    return result;
}

EXPORT int fclose(FILE *file)
{
    struct descriptor *d = stream(file);
    if (likely(!d) || !process_is_ours())
        return delayed_fclose(file);
    catch_up_now(file, d);
    struct what what = {.op = OP_CLOSE, .call = CALL_fclose, .offset = -1};
    what.layer = LAYER_POSIX;
    what.file = descriptor_file(d);
    descriptor_close(fileno(file)); /* before: another thread may get the same number at once */
    struct call call = call_begin();
    int result = delayed_fclose(file);
    call_stop(&call);
    what.result = result ? -call.error : 0;
    call_end(&call, &what);
    return result;
}
