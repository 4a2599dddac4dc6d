/* Files that processes have opened, by device and inode, and where they lie on the targets. */
#ifdef __linux__
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "shared.h"

#include <string.h>

static int32_t find_file(const struct shared *s, const struct known *all, uint64_t device,
                         uint64_t inode)
{
    for (int64_t i = s->files; i--;)
        if (all[i].inode == inode && all[i].device == device)
            return (int32_t)i;
    return -1;
}

static uint64_t directory_of(const char *name)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (const char *end = strrchr(name, '/'); end && name < end; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    return hash;
}

/* A directory has the number of the first file in it. */
static int32_t find_directory(struct shared *s, uint64_t directory)
{
    int32_t i = 0;
    while (i < s->files && known_at(s, i)->directory != directory)
        i++;
    return i;
}

static void put_name(struct known *known, const char *name)
{
    size_t length = strlen(name);
    memset(known->name, 0, NAME_BYTES);
    strncpy(known->name, name + (length < NAME_BYTES ? 0 : length - NAME_BYTES + 1),
            NAME_BYTES - 1);
}

/* Objects of one file after the other are put on the targets in turn. */
static int32_t add_file(struct shared *s, uint64_t device, uint64_t inode, const char *name)
{
    struct world *w = world_of(s);
    int64_t which = s->files, count = s->plan.stripe_count;
    if (which == w->files)
        return -1;
    int32_t targets[count];
    for (int64_t i = 0; i < count; i++)
        targets[i] = (int32_t)((which * count + i) % w->machine.targets);
    engine_add_file(w, which, which * count, s->plan.stripe_size, count, targets);
    struct known *known = known_at(s, which);
    *known = (struct known){.device = device, .inode = inode, .directory = directory_of(name)};
    engine_put_file(w, which, find_directory(s, known->directory));
    put_name(known, name);
    return (int32_t)s->files++;
}

EXPORT int32_t engine_file(struct shared *s, uint64_t device, uint64_t inode, int64_t size,
                           const char *name)
{
    if (s->broken || !take(s))
        return -1;
    int32_t found = find_file(s, known_at(s, 0), device, inode);
    if (found < 0)
        found = add_file(s, device, inode, name);
    if (found >= 0)
        file_at(world_of(s), found)->end = size;
    give(s);
    s->missed += found < 0;
    return found;
}

EXPORT void engine_forget(struct shared *s, uint64_t device, uint64_t inode)
{
    if (s->broken || !take(s))
        return;
    int32_t found = find_file(s, known_at(s, 0), device, inode);
    if (found >= 0)
        known_at(s, found)->inode = 0;
    give(s);
}

/* A directory that no file was opened in has no number: then it stays in its old one. */
EXPORT void engine_rename(struct shared *s, int32_t file, const char *name)
{
    if (s->broken || file < 0 || file >= s->files || !take(s))
        return;
    int32_t directory = find_directory(s, directory_of(name));
    if (directory < s->files)
        engine_put_file(world_of(s), file, directory);
    put_name(known_at(s, file), name);
    give(s);
}

EXPORT void engine_pass(struct shared *s, int32_t file, int32_t what)
{
    if (s->broken || file < 0 || file >= s->files || !take(s))
        return;
    known_at(s, file)->passed[what]++;
    give(s);
}

EXPORT const struct known *engine_known(struct shared *s, int64_t which)
{
    return known_at(s, which);
}
#else
typedef int nothing_here;
#endif
