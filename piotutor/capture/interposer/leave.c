/* Ways out of the program that run no destructors, and programs started beside it. */
#include "route.h"

#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------- exit */

#define LEAVE(name) \
    REAL(void, name, (int)) \
    EXPORT void name(int status) \
    { \
        status = route_finish(status); \
        trace_finish(); \
        real_##name()(status); \
        __builtin_unreachable(); \
    }
LEAVE(_exit)
LEAVE(_Exit)

/* ------------------------------------------------------------------------------------- exec */

/* In a child by vfork the trace is the parent's, who now shares its positions with a program. */
static void before_exec(void)
{
    route_unmount();
    if (process && !process_is_ours())
        process_forks++;
    else
        trace_finish();
}

static int failed_exec(int result)
{
    int error = errno;
    trace_forget();
    errno = error;
    return result;
}

#define EXECUTE(name, parameters, arguments) \
    REAL(int, name, parameters) \
    EXPORT int name parameters \
    { \
        before_exec(); \
        return failed_exec(real_##name() arguments); \
    }
EXECUTE(execv, (const char *path, char *const argv[]), (path, argv))
EXECUTE(execve, (const char *path, char *const argv[], char *const env[]), (path, argv, env))
EXECUTE(execvp, (const char *name, char *const argv[]), (name, argv))
EXECUTE(execvpe, (const char *name, char *const argv[], char *const env[]), (name, argv, env))
EXECUTE(fexecve, (int fd, char *const argv[], char *const env[]), (fd, argv, env))
#if __GLIBC_PREREQ(2, 34)
EXECUTE(execveat, (int at, const char *path, char *const argv[], char *const env[], int flags),
        (at, path, argv, env, flags))
#endif

static size_t count_words(const char *first, va_list rest)
{
    size_t n = 0;
    for (; first; first = va_arg(rest, const char *))
        n++;
    return n;
}

/* The words of a call up to its NULL, as an array `argv`; `rest` then stands behind that. */
#define GATHER(argv, first, rest) \
    va_start(rest, first); \
    char *argv[count_words(first, rest) + 1]; \
    va_end(rest); \
    va_start(rest, first); \
    argv[0] = (char *)first; \
    for (size_t i = 0; argv[i]; i++) \
        argv[i + 1] = va_arg(rest, char *)

EXPORT int execl(const char *path, const char *first, ...)
{
    va_list rest;
    GATHER(argv, first, rest);
    va_end(rest);
    return execv(path, argv);
}

EXPORT int execlp(const char *name, const char *first, ...)
{
    va_list rest;
    GATHER(argv, first, rest);
    va_end(rest);
    return execvp(name, argv);
}

EXPORT int execle(const char *path, const char *first, ...)
{
    va_list rest;
    GATHER(argv, first, rest);
    char *const *env = va_arg(rest, char *const *);
    va_end(rest);
    return execve(path, argv, env);
}

/* --------------------------------------------------- programs that share our open descriptors */

#define SPAWN(type, name, parameters, arguments) \
    REAL(type, name, parameters) \
    EXPORT type name parameters \
    { \
        process_forks++; \
        return real_##name() arguments; \
    }
SPAWN(int, posix_spawn,
      (pid_t *restrict pid, const char *restrict path, const posix_spawn_file_actions_t *actions,
       const posix_spawnattr_t *restrict attributes, char *const *restrict argv,
       char *const *restrict env),
      (pid, path, actions, attributes, argv, env))
SPAWN(int, posix_spawnp,
      (pid_t *restrict pid, const char *restrict name, const posix_spawn_file_actions_t *actions,
       const posix_spawnattr_t *restrict attributes, char *const *restrict argv,
       char *const *restrict env),
      (pid, name, actions, attributes, argv, env))
SPAWN(int, system, (const char *command), (command))
SPAWN(FILE *, popen, (const char *command, const char *mode), (command, mode))
