/* Processes that come from each other: `family WAY`. Each writes some bytes of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int wait_for(pid_t child)
{
    int status;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static void put(int fd, const char *text)
{
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        abort();
}

static int open_data(void)
{
    return open("data", O_CREAT | O_RDWR | O_TRUNC, 0600);
}

/* A child writes to the parent's descriptor, whose position the parent then finds moved. */
static int by_fork(int quietly)
{
    int fd = open_data();
    put(fd, "parent");
    pid_t child = quietly ? (pid_t)syscall(SYS_fork) : fork();
    if (!child) {
        put(fd, "child");
        int own = open("own", O_CREAT | O_RDWR, 0600);
        put(own, "x");
        _exit(0);
    }
    int status = wait_for(child);
    put(fd, "again");
    return status;
}

static int by_vfork(const char *self)
{
    int fd = open_data();
    put(fd, "parent");
    pid_t child = vfork();
    if (!child) {
        close(fd); /* the child's; the parent's stays open */
        execl("/nowhere/to/be/found", "no", NULL);
        execl(self, self, "leaf", NULL);
        _exit(1);
    }
    int status = wait_for(child);
    put(fd, "again");
    return status;
}

static int by_spawn(char *self)
{
    int fd = open_data();
    put(fd, "parent");
    char number[16], *argv[] = {self, "leaf", number, NULL};
    snprintf(number, sizeof number, "%d", fd);
    pid_t child;
    if (posix_spawn(&child, self, NULL, NULL, argv, environ))
        return 98;
    int status = wait_for(child); /* it wrote "leaf" to our descriptor */
    put(fd, "again");
    return status;
}

static int by_exec(const char *self)
{
    int fd = open_data();
    put(fd, "parent");
    execlp("/nowhere/to/be/found", "no", NULL);
    put(fd, "still here");
    execle(self, self, "leaf", NULL, environ);
    return 97;
}

static int by_closing(void)
{
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    int fd = open_data();
    for (int other = fd + 1; other < 1024; other++)
        close(other);
    put(fd, "parent");
    return 0;
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "";
    if (!strcmp(way, "fork") || !strcmp(way, "raw"))
        return by_fork(*way == 'r');
    if (!strcmp(way, "vfork"))
        return by_vfork(argv[0]);
    if (!strcmp(way, "spawn"))
        return by_spawn(argv[0]);
    if (!strcmp(way, "exec"))
        return by_exec(argv[0]);
    if (!strcmp(way, "closing"))
        return by_closing();
    if (!strcmp(way, "exit")) {
        put(open_data(), "parent");
        _Exit(3);
    }
    if (!strcmp(way, "quick")) {
        put(open_data(), "parent");
        quick_exit(4);
    }
    if (!strcmp(way, "kill")) {
        put(open_data(), "parent");
        raise(9);
    }
    if (!strcmp(way, "leaf")) {
        put(argc > 2 ? atoi(argv[2]) : open("leaf", O_CREAT | O_RDWR, 0600), "leaf");
        return 0;
    }
    return 96;
}
