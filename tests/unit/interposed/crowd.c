/* Threads that write at once, and a signal handler that writes as well. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum { THREADS = 8, WRITES = 1000, SIZE = 64 };

static int data, log_file;
static volatile sig_atomic_t signals;

static void *work(void *number)
{
    char text[SIZE];
    memset(text, 'a', sizeof text);
    for (long i = 0; i < WRITES; i++)
        if (pwrite(data, text, SIZE, ((long)number * WRITES + i) * SIZE) != SIZE)
            abort();
    return NULL;
}

static void on_signal(int number)
{
    (void)number;
    int fd = open("handler", O_CREAT | O_RDWR, 0600);
    signals += write(fd, "x", 1) == 1;
    close(fd);
    write(log_file, "s", 1);
}

int main(void)
{
    pthread_t threads[THREADS];
    data = open("data", O_CREAT | O_RDWR, 0600);
    log_file = open("log", O_CREAT | O_WRONLY | O_APPEND, 0600);
    signal(SIGALRM, on_signal);
    struct itimerval often = {{0, 500}, {0, 500}};
    setitimer(ITIMER_REAL, &often, NULL);
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (long i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    memset(&often, 0, sizeof often);
    setitimer(ITIMER_REAL, &often, NULL);
    pwrite(data, &(char){'0' + (signals > 0)}, 1, 0);
    return 0;
}
