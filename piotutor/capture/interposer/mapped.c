/* Mappings: what moves through memory is seen by nobody, so it isn't delayed; that is told. */
#include "emulate.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *(*found_mmap)(void *, size_t, int, int, int, off_t);

/* Not at the first call, as REAL does: that may be a malloc's, which would wait for itself. */
__attribute__((constructor)) static void find_mmap(void)
{
    *(void **)&found_mmap = real("mmap");
}

EXPORT void *mmap(void *at, size_t size, int access, int flags, int fd, off_t offset)
{
    void *memory = likely(found_mmap)
                       ? found_mmap(at, size, access, flags, fd, offset)
                       : (void *)syscall(SYS_mmap, at, size, access, flags, fd, offset);
    if (unlikely(emulating) && memory != MAP_FAILED && !(flags & MAP_ANONYMOUS))
        emulate_passed(fd, PASSED_MAPPED);
    return memory;
}

EXPORT void *mmap64(void *, size_t, int, int, int, off64_t) __attribute__((alias("mmap")));
