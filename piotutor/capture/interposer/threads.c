/* Threads that libcephfs begins are as quiet as the call that made it do so. */
#include "interposer.h"

#include <pthread.h>
#include <stdlib.h>

struct begun {
    void *(*function)(void *);
    void *argument;
};

static void *quietly(void *data)
{
    struct begun begun = *(struct begun *)data;
    free(data);
    me.quiet = 1;
    return begun.function(begun.argument);
}

REAL(int, pthread_create,
     (pthread_t *restrict, const pthread_attr_t *restrict, void *(*)(void *), void *restrict))

EXPORT int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
                          void *(*function)(void *), void *restrict argument)
{
    if (likely(!me.quiet))
        return real_pthread_create()(thread, attributes, function, argument);
    struct begun *begun = malloc(sizeof *begun);
    if (!begun)
        return EAGAIN;
    *begun = (struct begun){function, argument};
    int error = real_pthread_create()(thread, attributes, quietly, begun);
    if (error)
        free(begun);
    return error;
}
