/* A world in memory that processes share: real calls enter it, and wait for its answer. */
#ifndef PIOTUTOR_ENGINE_REALTIME_H
#define PIOTUTOR_ENGINE_REALTIME_H

#include "engine.h"

#define NAME_BYTES 224

struct plan { /* how files are laid out, and where ranks are */
    int64_t stripe_size, stripe_count, ranks_per_client;
};

/* What isn't delayed: mappings, and asynchronous calls whose end a signal or a thread tells. */
enum passed { MAPPED, NOTIFIED, PASSED };

/* A file that a process has opened: the end of its path, and how far it reaches. */
struct known {
    uint64_t device, inode; /* inode 0: it was removed */
    uint64_t directory;     /* made of its first name */
    int64_t end;
    char name[NAME_BYTES];
    int64_t passed[PASSED]; /* how many */
};

/* What a process has just done with a file. */
struct arrival {
    ns start; /* CLOCK_MONOTONIC, before the real call */
    int64_t offset, length;
    int32_t rank, file, op;
};

struct told {
    int64_t broken; /* enum trouble */
    int64_t files, calls, missed; /* missed: calls and files for which there was no place */
    int64_t real, spent, emulated; /* ns: of real calls, with the waiting, and as it should be */
    int64_t grants, callbacks, dropped;
};

enum trouble { SOUND, HOLDER_DIED, NO_ROOM, NO_END, HELD_TOO_LONG, TOO_LATE };

struct shared;

/* For who makes it, in so much zeroed memory; the world's clock is CLOCK_MONOTONIC. */
EXPORT int64_t engine_shared_bytes(const struct machine *machine, const struct size *size);
EXPORT int engine_share(void *memory, const struct machine *machine, const struct size *size,
                        const struct plan *plan);

/* Go on to a moment, NEVER for the end of all that is under way; take at most `room` records. */
EXPORT int64_t engine_collect(struct shared *s, ns until, struct record *records, int64_t room);
EXPORT void engine_tell(struct shared *s, struct told *told);
EXPORT const struct known *engine_known(struct shared *s, int64_t which);

/* For the interposer. The number of a file of so many bytes; -1: there is no place for one more.
 * Another one with the same inode is another file once the first is forgotten. */
EXPORT int32_t engine_file(struct shared *s, uint64_t device, uint64_t inode, int64_t size,
                           const char *name);
EXPORT void engine_forget(struct shared *s, uint64_t device, uint64_t inode);
EXPORT void engine_rename(struct shared *s, int32_t file, const char *name);
EXPORT void engine_pass(struct shared *s, int32_t file, int32_t what);
EXPORT void engine_call(struct shared *s, const struct arrival *arrival);

#endif
