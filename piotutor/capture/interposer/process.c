/* This process: its settings, its start, what a fork and an end mean for its trace. */
#include "interposer.h"

#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

__thread struct thread me;
struct process *process;
struct settings settings;

static int64_t number(const char *text, int64_t otherwise)
{
    char *end;
    long long value = text ? strtoll(text, &end, 10) : 0;
    return text && end != text && value >= 0 ? value : otherwise;
}

int32_t own_rank(void)
{
    static const char *const names[]
        = {"PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int64_t rank = number(getenv(names[i]), -1);
        if (rank >= 0)
            return (int32_t)rank;
    }
    return 0;
}

/* What starts ranks does nothing with files that anyone wants to see. */
static int is_launcher(void)
{
    static const char *const names[]
        = {"mpiexec", "mpirun",  "mpiexec.hydra", "hydra_pmi_proxy", "hydra_bstrap_proxy",
           "prterun", "prte",    "prted",         "orterun",         "orted",
           "srun",    "slurmstepd"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(program_invocation_short_name, names[i]))
            return 1;
    return 0;
}

static const char *kept(const char *variable)
{
    const char *value = getenv(variable);
    return keep_text(value ? value : "");
}

static int read_settings(void)
{
    char directory[PATH_BYTES];
    const char *asked = getenv("PIOTUTOR_CAPTURE_DIR");
    if (!asked || !*asked || is_launcher() || !absolute_path(-1, asked, directory))
        return 0;
    settings.directory = keep_text(directory);
    settings.prefixes = kept("PIOTUTOR_CAPTURE_PREFIX");
    settings.skip = kept("PIOTUTOR_CAPTURE_SKIP");
    settings.scratch = kept("PMIX_SERVER_TMPDIR"); /* what Open MPI's ranks share */
    settings.bytes = number(getenv("PIOTUTOR_CAPTURE_BYTES"), (int64_t)1 << 28);
    if (settings.bytes > INT32_MAX * (int64_t)sizeof(record)) /* an index has 32 bits */
        settings.bytes = INT32_MAX * (int64_t)sizeof(record);
    settings.client = (int32_t)number(getenv("PIOTUTOR_CAPTURE_CLIENT"), 0);
    settings.rank = own_rank();
    return settings.directory && settings.prefixes && settings.skip && settings.scratch;
}

/* ---------------------------------------------------------------------------------- a fork */

/* From now on a position may be moved by another process: it has to be asked for. */
_Atomic uint32_t process_forks;

static void before_fork(void)
{
    process_forks++;
}

static void in_child(void)
{
    size_t bytes = offsetof(struct process, chunks);
    memset(process, 0, bytes);
    process->pid = getpid();
    me = (struct thread){0};
}

/* Memory that is zero again in a child, also after a fork that runs no handlers (Linux 4.14). */
static struct process *shared_state(void)
{
    int64_t chunks = settings.bytes / (CHUNK * (int64_t)sizeof(record)) + 2;
    size_t bytes = sizeof(struct process) + (size_t)chunks * sizeof(record *);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, bytes, MADV_WIPEONFORK);
    return memory;
}

int process_is_ours(void)
{
    pid_t self = getpid();
    if (unlikely(!process->pid)) { /* a child whose fork ran no handlers */
        process->pid = self;
        process_forks++;
    }
    return process->pid == self;
}

/* --------------------------------------------------------------------------- start and end */

void process_start(void)
{
    static _Atomic int begun;
    if (atomic_load(&begun) || atomic_exchange(&begun, 1))
        return;
    int error = errno;
    if (read_settings()) {
        struct process *state = shared_state();
        if (state) {
            state->pid = getpid();
            process = state;
            pthread_atfork(before_fork, NULL, in_child);
            at_quick_exit(trace_finish);
        }
    }
    errno = error;
}

__attribute__((constructor)) static void construct(void)
{
    process_start();
}

__attribute__((destructor)) static void destruct(void)
{
    trace_finish();
}

/* ------------------------------------------------------------------------------- the lock */

int lock(void)
{
    if (me.locked)
        return 0;
    me.locked = 1;
    atomic_signal_fence(memory_order_seq_cst);
    while (atomic_exchange_explicit(&process->lock, 1, memory_order_acquire))
        sched_yield();
    return 1;
}

void unlock(void)
{
    atomic_store_explicit(&process->lock, 0, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    me.locked = 0;
}
