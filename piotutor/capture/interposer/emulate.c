/* Which files are emulated, and what is told to the engine of calls on them. */
#include "emulate.h"

#include "file.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int emulating;
_Atomic int32_t emulated[MOST_DESCRIPTORS];

struct arrival { /* piotutor/engine/core/realtime.h has the same */
    int64_t start, offset, length;
    int32_t rank, file, op;
};

static struct {
    const char *prefix;
    void *world;
    int32_t rank;
    pid_t owner;
    int32_t (*file)(void *world, uint64_t device, uint64_t inode, int64_t size, const char *name);
    void (*forget)(void *world, uint64_t device, uint64_t inode);
    void (*rename)(void *world, int32_t file, const char *name);
    void (*pass)(void *world, int32_t file, int32_t what);
    void (*call)(void *world, const struct arrival *arrival);
} engine;

int emulate_is_ours(void)
{
    return getpid() == engine.owner;
}

int32_t emulate_taken(int fd)
{
    return (unsigned)fd < MOST_DESCRIPTORS && emulate_is_ours() ? atomic_exchange(&emulated[fd], 0)
                                                               : 0;
}

static void tell(enum op op, int32_t file, int64_t start, int64_t offset, int64_t length)
{
    int error = errno;
    engine.call(engine.world, &(struct arrival){start, offset, length, engine.rank, file, (int)op});
    errno = error;
}

static int64_t place_of(int fd)
{
    return syscall(SYS_lseek, fd, 0, SEEK_CUR);
}

void emulate_move(int fd, enum op op, int64_t start, int64_t offset, int64_t moved)
{
    int error = errno;
    if (moved > 0 && offset < 0)
        offset = place_of(fd) - moved;
    if (moved > 0 && offset >= 0)
        tell(op, emulated[fd] - 1, start, offset, moved);
    errno = error;
}

void emulate_sync(int fd, int64_t start)
{
    tell(OP_SYNC, emulated[fd] - 1, start, 0, 0);
}

void emulate_truncated(int fd, int64_t start, int64_t size)
{
    tell(OP_TRUNCATE, emulated[fd] - 1, start, size, 0);
}

void emulate_closed(int32_t file, int64_t start)
{
    tell(OP_CLOSE, file - 1, start, 0, 0);
}

void emulate_passed(int fd, enum passed what)
{
    int error = errno;
    if (emulate_start(fd) && emulate_is_ours())
        engine.pass(engine.world, emulated[fd] - 1, (int32_t)what);
    errno = error;
}

static int is_below(const char *path)
{
    size_t bytes = strlen(engine.prefix);
    return !strncmp(path, engine.prefix, bytes) && (path[bytes] == '/' || !path[bytes]);
}

static int32_t number_of(const struct stat *about, const char *path)
{
    return engine.file(engine.world, about->st_dev, about->st_ino, about->st_size, path);
}

void emulate_opened(int fd, int directory, const char *path, int flags, int64_t start)
{
    char absolute[PATH_BYTES];
    struct stat about;
    if (likely(!emulating) || fd < 0 || me.quiet || !emulate_is_ours())
        return;
    emulate_forget(fd);
    if (!absolute_path(directory, path, absolute) || !is_below(absolute))
        return;
    int error = errno;
    if (!fstat(fd, &about) && S_ISREG(about.st_mode)) {
        int followed = fd < MOST_DESCRIPTORS;
        int32_t file = followed ? number_of(&about, absolute) : -1;
        if (followed)
            emulated[fd] = file + 1;
        if (file >= 0 || !followed)
            tell(flags & O_CREAT ? OP_CREATE : OP_OPEN, file, start, 0, 0);
    }
    errno = error;
}

/* ------------------------------------------------------------------------------------ streams */

struct streaming emulate_stream_of(int fd, int64_t pending)
{
    int error = errno;
    struct streaming now = {.fd = fd, .start = emulate_start(fd), .pending = pending};
    if (now.start)
        now.place = place_of(fd);
    errno = error;
    return now;
}

/* Of what is written at the end of a file, the place before doesn't tell. */
void emulate_streamed(const struct streaming *before, enum op op, int64_t asked)
{
    int error = errno;
    int64_t place = place_of(before->fd), moved = place - before->place;
    if (op == OP_WRITE && moved > before->pending + asked)
        moved = before->pending + asked;
    emulate_move(before->fd, op, before->start, place - moved, moved);
    errno = error;
}

void emulate_flushed(const struct streaming *before)
{
    emulate_move(before->fd, OP_WRITE, before->start, before->place, before->pending);
}

void emulate_ended(int32_t file, const struct streaming *before)
{
    if (before->pending > 0)
        tell(OP_WRITE, file - 1, before->start, before->place, before->pending);
    emulate_closed(file, before->pending > 0 ? now() : before->start);
}

/* -------------------------------------------------------------------------------------- names */

static int is_file(const char *path, struct stat *about)
{
    me.quiet++; /* this lstat is our own */
    int result = lstat(path, about);
    me.quiet--;
    return !result && S_ISREG(about->st_mode);
}

struct named emulate_find(int directory, const char *path)
{
    char absolute[PATH_BYTES];
    struct stat about;
    struct named found = {.start = now()};
    int error = errno;
    if (!me.quiet && emulate_is_ours() && absolute_path(directory, path, absolute)
        && is_below(absolute) && is_file(absolute, &about)) {
        found.device = about.st_dev;
        found.inode = about.st_ino;
        found.is_last = about.st_nlink == 1;
        found.file = 1 + number_of(&about, absolute);
    }
    errno = error;
    return found;
}

void emulate_named(const struct named *before, enum op op, int64_t size, int result)
{
    int error = errno;
    if (before->file && !result) {
        if (op == OP_REMOVE && before->is_last)
            engine.forget(engine.world, before->device, before->inode);
        tell(op, before->file - 1, before->start, size, 0);
    }
    errno = error;
}

static int is_same(const struct named *one, const struct named *other)
{
    return one->inode == other->inode && one->device == other->device;
}

void emulate_renamed(const struct named *file, const struct named *victim, int directory,
                     const char *new, int exchanged)
{
    char absolute[PATH_BYTES];
    int error = errno;
    if (victim->file && victim->is_last && !exchanged && !is_same(file, victim))
        engine.forget(engine.world, victim->device, victim->inode);
    if (file->file) {
        tell(OP_RENAME, file->file - 1, file->start, 0, 0);
        if (absolute_path(directory, new, absolute))
            engine.rename(engine.world, file->file - 1, absolute);
    }
    errno = error;
}

/* --------------------------------------------------------------------------------- the start */

static void *shared_world(const char *path)
{
    struct stat about;
    int fd = file_open(path, 0);
    void *world = NULL;
    if (fd >= 0) {
        if (!fstat(fd, &about))
            world = file_map(fd, 0, about.st_size);
        file_close(fd);
    }
    return world;
}

static void in_child(void)
{
    engine.owner = getpid();
    emulate_async_in_child();
}

static int find_engine(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library) {
        *(void **)&engine.file = dlsym(library, "engine_file");
        *(void **)&engine.forget = dlsym(library, "engine_forget");
        *(void **)&engine.rename = dlsym(library, "engine_rename");
        *(void **)&engine.pass = dlsym(library, "engine_pass");
        *(void **)&engine.call = dlsym(library, "engine_call");
    }
    return engine.file && engine.forget && engine.rename && engine.pass && engine.call;
}

__attribute__((constructor)) static void construct(void)
{
    const char *world = getenv("PIOTUTOR_EMULATE_WORLD");
    const char *library = getenv("PIOTUTOR_EMULATE_LIBRARY");
    char prefix[PATH_BYTES];
    if (!world || !library || !absolute_path(-1, getenv("PIOTUTOR_EMULATE_PREFIX"), prefix))
        return;
    me.quiet++;
    engine.prefix = keep_text(prefix);
    engine.rank = own_rank();
    engine.owner = getpid();
    pthread_atfork(NULL, NULL, in_child);
    engine.world = shared_world(world);
    emulating = engine.prefix && engine.world && find_engine(library);
    me.quiet--;
}
