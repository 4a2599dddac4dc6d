/* libcephfs, loaded when it is first needed. */
#include "ceph.h"

#include <dlfcn.h>
#include <stdio.h>

struct ceph ceph;

/* A line of its own: what a run's last words are is shown to who started it. */
static int refuse(const char *library, const char *why)
{
    dprintf(2, "piotutor: %s can't be used: %s\n", library, why ? why : "nobody knows why");
    return 0;
}

int ceph_load(const char *library)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return refuse(library, dlerror());
#define CEPH_FIND(type, name, parameters) \
    if (!(*(void **)&ceph.name = dlsym(handle, "ceph_" #name))) \
        return refuse(library, "there is no ceph_" #name " in it");
    CEPH_FUNCTIONS(CEPH_FIND)
    return 1;
}
