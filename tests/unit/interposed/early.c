/* A program whose library writes before anything else has been set up, and after all has ended. */
#include <fcntl.h>
#include <unistd.h>

static int fd;

__attribute__((constructor(101))) static void before(void)
{
    fd = open("early", O_CREAT | O_RDWR, 0600);
    write(fd, "before", 6);
}

__attribute__((destructor(101))) static void after(void)
{
    write(fd, "after", 5);
}

int main(void)
{
    return write(fd, "main", 4) != 4;
}
