/* Names of files, and which of them are of interest. */
#include "route.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ------------------------------------------------------------------------- an absolute path */

/* The directory that a relative path starts from; its length, 0 where it can't be told. */
static size_t starting_point(int directory, char out[PATH_BYTES])
{
    if (directory == AT_FDCWD || directory < 0)
        return getcwd(out, PATH_BYTES) && *out == '/' ? strlen(out) : 0;
    if (routed(directory))
        return route_directory(directory, out);
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    ssize_t bytes = readlink(link, out, PATH_BYTES - 1);
    return bytes > 0 && *out == '/' ? (size_t)bytes : 0;
}

/* Add one part of a path; `..` takes one away. Returns the new length, 0 if there is no room. */
static size_t add_part(char out[PATH_BYTES], size_t used, const char *part, size_t bytes)
{
    if (!bytes || (bytes == 1 && part[0] == '.'))
        return used;
    if (bytes == 2 && part[0] == '.' && part[1] == '.') {
        while (used > 1 && out[used - 1] != '/')
            used--;
        return used > 1 ? used - 1 : 1;
    }
    if (used + bytes + 2 > PATH_BYTES)
        return 0;
    if (used > 1)
        out[used++] = '/';
    memcpy(out + used, part, bytes);
    return used + bytes;
}

int absolute_path(int directory, const char *path, char out[PATH_BYTES])
{
    int error = errno;
    size_t used = 1;
    if (!path || !*path || (*path != '/' && !(used = starting_point(directory, out)))) {
        errno = error;
        return 0;
    }
    *out = '/';
    for (const char *part = path; used && *part; part += strspn(part, "/")) {
        size_t bytes = strcspn(part, "/");
        used = add_part(out, used, part, bytes);
        part += bytes;
    }
    out[used] = 0;
    errno = error;
    return used > 0;
}

/* ----------------------------------------------------------------------- what is of interest */

enum where { BELOW, STARTS, ENDS, CONTAINS, NUMBERED };

/* Never recorded: what a program didn't open for its own sake. piotutor/trace/interest.py has the
 * same rules, docs/capture.md says what each is for. (/dev, but for /dev/shm: see path_wanted.) */
static const struct rule {
    enum where where;
    const char *text;
} never[] = {
    {BELOW, "/proc"},
    {BELOW, "/sys"},
    {BELOW, "/run/udev"},
    {BELOW, "/etc/libnl"},
    {STARTS, "/dev/shm/mpich_sh"},
    {STARTS, "/dev/shm/vader_segment"},
    {STARTS, "/dev/shm/sm_segment"},
    {STARTS, "/dev/shm/osc_rdma"},
    {STARTS, "/dev/shm/psm"},
    {STARTS, "/dev/shm/ucx"},
    {ENDS, ".so"},
    {ENDS, ".py"},
    {ENDS, ".pyc"},
    {ENDS, ".pth"},
    {ENDS, "._pth"},
    {ENDS, "/pyvenv.cfg"},
    {ENDS, "/pybuilddir.txt"},
    {ENDS, "/mpich.conf"},
    {ENDS, "/romio-hints"},
    {ENDS, "/ucx.conf"},
    {ENDS, "/libfabric.conf"},
    {ENDS, "mca-params.conf"},
    {CONTAINS, "/__pycache__/"},
    {CONTAINS, "/site-packages/"},
    {CONTAINS, "/dist-packages/"},
    {CONTAINS, "/hydra_hwloc_xmlfile_"},
    {NUMBERED, ".so."}, /* a digit follows */
    {NUMBERED, "/ompi."},
};

static int is_below(const char *path, const char *tree, size_t bytes)
{
    while (bytes > 1 && tree[bytes - 1] == '/')
        bytes--;
    return !strncmp(path, tree, bytes) && (path[bytes] == '/' || !path[bytes]);
}

static int ends_with(const char *path, const char *end)
{
    size_t bytes = strlen(path), wanted = strlen(end);
    return bytes >= wanted && !strcmp(path + bytes - wanted, end);
}

static int has_numbered(const char *path, const char *text)
{
    const char *found = path;
    while ((found = strstr(found, text))) {
        found += strlen(text);
        if (*found >= '0' && *found <= '9')
            return 1;
    }
    return 0;
}

static int fits(const char *path, const struct rule *rule)
{
    switch (rule->where) {
    case BELOW:
        return is_below(path, rule->text, strlen(rule->text));
    case STARTS:
        return !strncmp(path, rule->text, strlen(rule->text));
    case ENDS:
        return ends_with(path, rule->text);
    case CONTAINS:
        return strstr(path, rule->text) != NULL;
    case NUMBERED:
        return has_numbered(path, rule->text);
    }
    return 0;
}

/* Whether one of the lines of a list fits: as a tree, or as the front of a name, too. */
static int in_list(const char *path, const char *list, int front)
{
    for (const char *line = list; *line; line += strspn(line, "\n")) {
        size_t bytes = strcspn(line, "\n");
        if (bytes && (front ? !strncmp(path, line, bytes) : is_below(path, line, bytes)))
            return 1;
        line += bytes;
    }
    return 0;
}

int path_wanted(const char *path)
{
    static const char dev[] = "/dev", shm[] = "/dev/shm";
    if (*settings.prefixes && !in_list(path, settings.prefixes, 1))
        return 0;
    if (is_below(path, dev, sizeof dev - 1) && !is_below(path, shm, sizeof shm - 1))
        return 0;
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (fits(path, &never[i]))
            return 0;
    return !is_below(path, settings.directory, strlen(settings.directory))
           && !in_list(path, settings.skip, 0) && !in_list(path, settings.scratch, 0);
}

/* ------------------------------------------------------------------------------- the names */

#define MOST_NAMES (1 << 15)
#define SLOTS (1 << 16)

static struct {
    const char *path;
    uint32_t hash;
} names[MOST_NAMES];
static _Atomic int32_t count, slots[SLOTS]; /* a slot holds an index, from 1 */

/* Text that is never freed comes from pages of our own: malloc may be what was interrupted. With
 * the lock held; a child whose fork came in between loses some bytes, and no more. */
const char *keep_text(const char *text)
{
    static char *volatile free_bytes;
    static volatile size_t left;
    size_t bytes = strlen(text) + 1;
    if (bytes > left) {
        size_t page = bytes > 1 << 16 ? bytes : 1 << 16;
        char *more = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (more == MAP_FAILED)
            return NULL;
        left = 0;
        free_bytes = more;
        left = page;
    }
    left -= bytes;
    char *kept = free_bytes;
    free_bytes = kept + bytes;
    return memcpy(kept, text, bytes);
}

static uint32_t hash_of(const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

/* The slot that holds a name, or the empty one where it belongs. */
static uint32_t slot_of(const char *path, uint32_t hash)
{
    uint32_t slot = hash % SLOTS;
    int32_t index;
    while ((index = atomic_load_explicit(&slots[slot], memory_order_acquire))
           && (names[index - 1].hash != hash || strcmp(names[index - 1].path, path) != 0))
        slot = (slot + 1) % SLOTS;
    return slot;
}

/* With the lock held. The last place is for all names that find none. */
static int32_t add_name(const char *path, uint32_t hash)
{
    int32_t index = atomic_load(&count);
    if (index == MOST_NAMES)
        return MOST_NAMES - 1;
    if (index == MOST_NAMES - 1)
        path = "(more files than can be told apart)";
    names[index].hash = hash;
    names[index].path = keep_text(path);
    if (!names[index].path)
        return -1;
    if (index < MOST_NAMES - 1)
        atomic_store_explicit(&slots[slot_of(path, hash)], index + 1, memory_order_release);
    atomic_store(&count, index + 1);
    trace_write_names();
    return index;
}

int32_t name_of(const char *path)
{
    uint32_t hash = hash_of(path);
    int32_t index = atomic_load_explicit(&slots[slot_of(path, hash)], memory_order_acquire) - 1;
    if (index >= 0 || !lock())
        return index;
    index = atomic_load(&slots[slot_of(path, hash)]) - 1;
    if (index < 0)
        index = add_name(path, hash);
    unlock();
    return index;
}

const char *name_at(int32_t index)
{
    return index < atomic_load(&count) ? names[index].path : NULL;
}

int32_t file_of_interest(const char *path)
{
    char absolute[PATH_BYTES];
    if (!recording() || !absolute_path(AT_FDCWD, path, absolute) || !path_wanted(absolute))
        return -1;
    return name_of(absolute);
}
