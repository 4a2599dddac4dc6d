/* The trace of this process: begun at the first record, made longer a chunk at a time. */
#include "file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HEADER_BYTES (256 * 1024) /* with the names; those that find no room are numbers */
#define CLOSED 1
#define NO_MORE ((uint64_t)1 << 62) /* claimed: no record beyond has room */

#define FIRST_LINE                                                                                 \
    "{\"writer\": \"interposer\", \"provenance\": \"measured\", \"files\": [], "                       \
    "\"notes\": {\"host\": \"%s\"}}\n"

/* ---------------------------------------------------------------------------- names in JSON */

static size_t put_escaped(char *out, const char *text)
{
    char *to = out;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            *to++ = '\\';
        if (c < 32)
            to += sprintf(to, "\\u%04x", c);
        else
            *to++ = (char)c;
    }
    return (size_t)(to - out);
}

static int append_text(struct header *header, const char *text, size_t bytes)
{
    uint64_t used = atomic_load(&header->text_bytes);
    if (sizeof *header + used + bytes > HEADER_BYTES)
        return 0;
    memcpy((char *)(header + 1) + used, text, bytes);
    atomic_store(&header->text_bytes, used + bytes);
    return 1;
}

void trace_write_names(void)
{
    static char line[6 * PATH_BYTES + 16]; /* the lock is held */
    struct header *header = process->header;
    const char *name;
    while (header && (name = name_at(process->named))) {
        size_t bytes = (size_t)sprintf(line, "{\"file\": \"");
        bytes += put_escaped(line + bytes, name);
        bytes += (size_t)sprintf(line + bytes, "\"}\n");
        process->named = append_text(header, line, bytes) ? process->named + 1 : INT32_MAX;
    }
}

/* -------------------------------------------------------------------------------- the file */

/* A process that executes another program keeps its number, and the next program has a file too. */
static int create(char *path)
{
    int fd = -1;
    for (int attempt = 1; fd < 0 && attempt < 1000; attempt++) {
        int bytes = snprintf(path, PATH_BYTES, "%s/below-%05d-%d", settings.directory, settings.rank,
                             (int)process->pid);
        if (bytes < 0 || bytes > PATH_BYTES - 16)
            return -1;
        if (attempt > 1)
            bytes += sprintf(path + bytes, "-%d", attempt);
        strcpy(path + bytes, ".piot");
        fd = file_open(path, O_CREAT | O_EXCL);
        if (fd < 0 && errno != EEXIST)
            return -1;
    }
    return fd;
}

/* Who writes, and on which host: it has a clock of its own. */
static void append_first_line(struct header *header)
{
    char host[256] = "", quoted[6 * sizeof host + 1], line[sizeof FIRST_LINE + sizeof quoted];
    if (gethostname(host, sizeof host - 1))
        host[0] = '\0';
    quoted[put_escaped(quoted, host)] = '\0';
    append_text(header, line, (size_t)snprintf(line, sizeof line, FIRST_LINE, quoted));
}

static void fill(struct header *header)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    header->version = 1;
    header->header_bytes = HEADER_BYTES;
    header->record_bytes = sizeof(record);
    header->rank = settings.rank;
    header->client = settings.client;
    header->monotonic = now();
    header->wall = wall.tv_sec * 1000000000LL + wall.tv_nsec;
    append_first_line(header);
}

static int begin(void)
{
    int fd = process_is_ours() ? create(process->path) : -1;
    if (fd < 0)
        return 0;
    struct header *header
        = file_reserve(fd, 0, HEADER_BYTES) ? file_map(fd, 0, HEADER_BYTES) : NULL;
    file_close(fd);
    if (!header) {
        unlink(process->path);
        return 0;
    }
    fill(header);
    process->header = header;
    process->named = 0;
    trace_write_names();
    atomic_thread_fence(memory_order_release);
    memcpy(header->magic, "\x89PIOT\r\n\x1a", sizeof header->magic);
    return 1;
}

/* Reserve and map the next chunk, or as much of one as there is room for. */
static int64_t grow(uint64_t room)
{
    int64_t start = HEADER_BYTES + (int64_t)(room * sizeof(record));
    int64_t records = (settings.bytes - start) / (int64_t)sizeof(record);
    records = records < CHUNK ? records : CHUNK;
    int fd = records > 0 ? file_open(process->path, 0) : -1;
    if (fd < 0)
        return 0;
    while (records && !file_reserve(fd, start, records * (int64_t)sizeof(record)))
        records /= 2;
    void *memory = records ? file_map(fd, start, records * (int64_t)sizeof(record)) : NULL;
    file_close(fd);
    if (!memory)
        return 0;
    file_touch(memory, records * (int64_t)sizeof(record));
    atomic_store(&process->chunks[room / CHUNK], memory);
    return records;
}

static void make_room(uint64_t index)
{
    uint64_t room = atomic_load(&process->room);
    if (!process->header && !begin())
        process->ended = 1;
    while (index >= room && !process->ended) {
        int64_t got = grow(room);
        process->ended = got < CHUNK;
        room += (uint64_t)got;
        atomic_store(&process->header->count, room);
        atomic_store(&process->room, room);
    }
}

/* ------------------------------------------------------------------------------ its records */

void trace_drop(int64_t n)
{
    if (process && process->header)
        atomic_fetch_add(&process->header->dropped, (uint64_t)n);
}

/* The slow way to a record: room has to be made, or there is none. */
static __attribute__((noinline)) record *claim_slowly(uint64_t index)
{
    int error = errno;
    if (!process->ended && lock()) {
        make_room(index);
        unlock();
    }
    errno = error;
    if (index < atomic_load(&process->room))
        return atomic_load(&process->chunks[index / CHUNK]) + index % CHUNK;
    trace_drop(1);
    return NULL;
}

record *trace_claim(int32_t *index)
{
    uint64_t i = atomic_fetch_add_explicit(&process->claimed, 1, memory_order_relaxed);
    *index = (int32_t)i;
    if (unlikely(i >= atomic_load_explicit(&process->room, memory_order_acquire)))
        return claim_slowly(i);
    return atomic_load_explicit(&process->chunks[i / CHUNK], memory_order_relaxed) + i % CHUNK;
}

/* Other threads may go on: what they claim from now on has no room, so it touches no memory. */
void trace_finish(void)
{
    if (!process || !process_is_ours() || !lock())
        return;
    int error = errno;
    uint64_t claimed = atomic_exchange(&process->claimed, NO_MORE);
    uint64_t room = atomic_load(&process->room);
    struct header *header = process->header;
    process->ended = 1;
    if (header && claimed < NO_MORE) {
        uint64_t count = claimed < room ? claimed : room;
        int64_t hole = (int64_t)(sizeof *header + atomic_load(&header->text_bytes) + 4095) & ~4095;
        atomic_store(&header->count, count); /* first: a signal may end us before the file is cut */
        file_end(process->path, HEADER_BYTES + (int64_t)(count * sizeof(record)), hole,
                 HEADER_BYTES - hole);
        atomic_store(&header->state, CLOSED);
    }
    unlock();
    errno = error;
}

void trace_forget(void)
{
    if (!process || !process_is_ours() || !lock())
        return;
    atomic_store(&process->room, 0);
    process->header = NULL;
    process->ended = 0;
    atomic_store(&process->claimed, 0);
    unlock();
}
