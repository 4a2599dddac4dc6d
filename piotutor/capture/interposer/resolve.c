/* The functions behind ours: Python loads libmpi and libhdf5 where RTLD_NEXT doesn't look. */
#include "interposer.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

static const void *object_of(const void *address)
{
    Dl_info found;
    return dladdr(address, &found) ? found.dli_fbase : NULL;
}

static int is_ours(const void *address)
{
    return object_of(address) == object_of((const void *)real);
}

/* The function as a library that is loaded already sees it: its own, or one it depends on. */
static void *seen_from(const char *library, const char *name)
{
    void *handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
    if (!handle)
        return NULL;
    void *function = dlsym(handle, name);
    if (function && !is_ours(function))
        return function; /* the handle is kept: so is the library */
    dlclose(handle);
    return NULL;
}

struct libraries {
    size_t bytes;
    char *names; /* one after the other; an empty one ends them */
};

static int add_library(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    struct libraries *all = data;
    size_t length = strlen(info->dlpi_name) + 1;
    char *names = length > 1 ? realloc(all->names, all->bytes + length + 1) : NULL;
    if (names) {
        memcpy(names + all->bytes, info->dlpi_name, length);
        all->names = names;
        all->bytes += length;
        names[all->bytes] = 0;
    }
    return 0;
}

/* Names first, then dlopen: inside of dl_iterate_phdr it could wait for another thread's. */
static void *seen_from_any(const char *name)
{
    struct libraries all = {0, NULL};
    void *function = NULL;
    dl_iterate_phdr(add_library, &all);
    for (char *library = all.names; library && *library && !function; library += strlen(library) + 1)
        function = seen_from(library, name);
    free(all.names);
    return function;
}

void *real_near(const char *name, const void *caller)
{
    int error = errno;
    Dl_info from;
    void *function = NULL;
    if (caller && dladdr(caller, &from))
        function = seen_from(from.dli_fname, name);
    if (!function)
        function = dlsym(RTLD_NEXT, name);
    if (!function)
        function = seen_from_any(name);
    errno = error;
    return function;
}

void *real(const char *name)
{
    return real_near(name, NULL);
}
