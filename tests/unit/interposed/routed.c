/* Makes every call on routed files, and says which one didn't do what it does on a local one.
 * The directory in which it runs is the one that is routed.
 */
#define _GNU_SOURCE
#include <aio.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

int __fxstat(int, int, struct stat *), __xstat(int, const char *, struct stat *);
int __lxstat(int, const char *, struct stat *);
int __fxstatat(int, int, const char *, struct stat *, int);
int __fxstat64(int, int, struct stat64 *), __xstat64(int, const char *, struct stat64 *);
int __lxstat64(int, const char *, struct stat64 *);
int __fxstatat64(int, int, const char *, struct stat64 *, int);
int __open_2(const char *, int), __open64_2(const char *, int);
int __openat_2(int, const char *, int), __openat64_2(int, const char *, int);
ssize_t __read_chk(int, void *, size_t, size_t), __pread_chk(int, void *, size_t, off_t, size_t);

static int bad;
static char buffer[8192];

static void check(int holds, const char *what, int line)
{
    if (!holds) {
        printf("%d: %s (%s)\n", line, what, strerror(errno));
        bad = 1;
    }
}
#define CHECK(what) (errno = 0, check(!!(what), #what, __LINE__))
#define FAILS(what, number) (errno = 0, check((long)(what) == -1 && errno == number, #what, __LINE__))
#define NULL_OF(what, number) (errno = 0, check(!(what) && errno == number, #what, __LINE__))

static int made(const char *path)
{
    int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0644);
    CHECK(fd >= 0);
    return fd;
}

static int holds(const char *path, const char *text)
{
    char found[256];
    int fd = open(path, O_RDONLY);
    ssize_t got = pread(fd, found, sizeof found, 0);
    close(fd);
    return got == (ssize_t)strlen(text) && !memcmp(found, text, strlen(text));
}

/* ------------------------------------------------------------------------------------ opening */

static void opening(void)
{
    FAILS(open("none", O_RDONLY), ENOENT);
    close(made("o"));
    FAILS(open("o", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
    char absolute[4096], aside[4200];
    snprintf(absolute, sizeof absolute, "%s/./x/../o", getcwd(buffer, sizeof buffer));
    snprintf(aside, sizeof aside, "/proc/self/root%s/o", getcwd(buffer, sizeof buffer));
    int here = open(".", O_RDONLY | O_DIRECTORY);
    int fds[] = {open64("o", O_RDONLY), openat(AT_FDCWD, "o", O_RDONLY), openat64(here, "o", 0),
                 __open_2("o", O_RDONLY), __open64_2("./o", O_RDONLY), __openat_2(here, "o", 0),
                 __openat64_2(here, "o", 0), creat("o2", 0600), creat64("o2", 0600),
                 open(absolute, O_RDONLY), open(aside, O_RDONLY)};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        CHECK(fds[i] >= 0);
        CHECK(!close(fds[i]));
    }
    FAILS(close(fds[0]), EBADF);
    close(here);
    int fd = open("o", O_WRONLY | O_CLOEXEC);
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY);
    FAILS(read(fd, buffer, 1), EBADF);
    CHECK(write(fd, "abc", 3) == 3);
    close(fd);
    fd = open("o", O_RDONLY);
    FAILS(write(fd, "x", 1), EBADF);
    FAILS(pwrite(fd, "x", 1, 0), EBADF);
    FAILS(ftruncate(fd, 1), EINVAL);
    close(fd);
    CHECK(holds("o", "abc"));
    close(open("o", O_WRONLY | O_TRUNC));
    CHECK(holds("o", ""));
    fd = open("o", O_CREAT | O_EXCL | O_WRONLY, 0);
    CHECK(fd < 0);
}

/* ---------------------------------------------------------------------------------- transfers */

static void transfers(void)
{
    int fd = made("t");
    struct iovec two[2] = {{"hello ", 6}, {"world", 5}}, in[2] = {{buffer, 3}, {buffer + 3, 100}};
    CHECK(write(fd, "0123456789", 10) == 10);
    CHECK(pwrite(fd, "AB", 2, 4) == 2 && pwrite64(fd, "CD", 2, 6) == 2);
    CHECK(writev(fd, two, 2) == 11);
    CHECK(holds("t", "0123ABCD89hello world"));
    CHECK(lseek(fd, 0, SEEK_CUR) == 21 && lseek64(fd, -11, SEEK_END) == 10);
    CHECK(lseek(fd, 2, SEEK_CUR) == 12 && read(fd, buffer, 3) == 3 && !memcmp(buffer, "llo", 3));
    FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
    FAILS(lseek(fd, 0, 99), EINVAL);
    CHECK(lseek(fd, 0, SEEK_HOLE) == 21 && lseek(fd, 5, SEEK_DATA) == 5);
    FAILS(lseek(fd, 21, SEEK_DATA), ENXIO);
    CHECK(lseek(fd, 10, SEEK_SET) == 10 && readv(fd, in, 2) == 11 && !memcmp(buffer, "hello w", 7));
    CHECK(!read(fd, buffer, 10) && !pread(fd, buffer, 10, 100));
    CHECK(pread(fd, buffer, 5, 0) == 5 && pread64(fd, buffer, 9, 20) == 1);
    CHECK(__pread_chk(fd, buffer, 5, 1, 100) == 5 && !lseek(fd, 0, SEEK_SET));
    CHECK(__read_chk(fd, buffer, 4, 100) == 4 && !memcmp(buffer, "0123", 4));
    CHECK(preadv(fd, in, 2, 4) == 17 && preadv64(fd, in, 2, 5) == 16);
    CHECK(preadv2(fd, in, 2, -1, 0) == 17 && preadv64v2(fd, in, 2, 0, RWF_HIPRI) == 21);
    FAILS(preadv2(fd, in, 2, 0, RWF_NOWAIT), EOPNOTSUPP);
    CHECK(pwritev(fd, two, 2, 0) == 11 && pwritev64(fd, two, 2, 11) == 11);
    CHECK(pwritev2(fd, two, 1, 22, RWF_SYNC) == 6 && lseek(fd, 17, SEEK_SET) == 17);
    CHECK(pwritev64v2(fd, two, 2, -1, 0) == 11 && holds("t", "hello worldhello hello world"));
    FAILS(pwritev2(fd, two, 2, 0, RWF_APPEND), EOPNOTSUPP);
    FAILS(pwrite(fd, "x", 1, -5), EINVAL);
    FAILS(pread(fd, buffer, 1, -1), EINVAL);
    FAILS(writev(fd, two, -1), EINVAL);
    CHECK(!writev(fd, two, 0) && !write(fd, "", 0));
    CHECK(!ftruncate(fd, 0) && !lseek(fd, 0, SEEK_SET));
    CHECK(dprintf(fd, "%d-%s", 12, "ab") == 5 && holds("t", "12-ab"));
    close(fd);
    fd = open("t", O_RDWR | O_APPEND);
    CHECK(write(fd, "++", 2) == 2 && lseek(fd, 0, SEEK_CUR) == 7);
    CHECK(pwrite(fd, "!", 1, 0) == 1 && holds("t", "12-ab++!")); /* so does Linux */
    CHECK(!fcntl(fd, F_SETFL, 0) && !(fcntl(fd, F_GETFL) & O_APPEND));
    CHECK(pwrite(fd, "!", 1, 0) == 1 && holds("t", "!2-ab++!"));
    CHECK(!fcntl(fd, F_SETFL, O_DIRECT) && fcntl64(fd, F_GETFL) & O_DIRECT);
    CHECK(pwrite(fd, "?", 1, 1) == 1 && holds("t", "!?-ab++!"));
    close(fd);
}

static void copies(void)
{
    int from = open("/proc/self/exe", O_RDONLY), to = made("c"), pipes[2];
    FAILS(sendfile(to, from, NULL, 10), EINVAL);
    FAILS(sendfile64(to, from, NULL, 10), EINVAL);
    FAILS(copy_file_range(from, NULL, to, NULL, 10, 0), EXDEV);
    CHECK(!pipe(pipes));
    FAILS(splice(to, NULL, pipes[1], NULL, 10, 0), EINVAL);
    close(pipes[0]);
    close(pipes[1]);
    close(from);
    close(to);
}

static void asynchronous(void)
{
    int fd = made("a");
    struct aiocb one = {.aio_fildes = fd, .aio_buf = "async", .aio_nbytes = 5, .aio_offset = 2};
    struct aiocb two = {.aio_fildes = fd, .aio_buf = buffer, .aio_nbytes = 9, .aio_offset = 0};
    struct aiocb *list[3] = {&one, NULL, &two};
    CHECK(!aio_write(&one) && !aio_error(&one) && aio_return(&one) == 5);
    CHECK(!aio_suspend((const struct aiocb **)list, 1, NULL));
    CHECK(!aio_read(&two) && !aio_error(&two) && aio_return(&two) == 7);
    CHECK(!memcmp(buffer, "\0\0async", 7));
    CHECK(!aio_fsync(O_SYNC, &one) && !aio_error(&one) && !aio_return(&one));
    CHECK(!aio_write64((struct aiocb64 *)&one) && !aio_read64((struct aiocb64 *)&two));
    CHECK(!aio_fsync64(O_DSYNC, (struct aiocb64 *)&one));
    one.aio_lio_opcode = LIO_WRITE;
    two.aio_lio_opcode = LIO_READ;
    CHECK(!lio_listio(LIO_WAIT, list, 3, NULL) && aio_return(&two) == 7);
    CHECK(!lio_listio64(LIO_NOWAIT, (struct aiocb64 **)list, 3, NULL) && !aio_error(&two));
    one.aio_fildes = 0;
    FAILS(lio_listio(LIO_WAIT, list, 3, NULL), EINVAL);
    two.aio_offset = -1;
    CHECK(!aio_read(&two) && aio_error(&two) == EINVAL && aio_return(&two) == -1);
    two.aio_sigevent.sigev_notify = SIGEV_THREAD;
    FAILS(aio_read(&two), ENOSYS);
    close(fd);
}

/* --------------------------------------------------------------------------------- management */

static void sizes(void)
{
    struct stat s;
    struct statx x;
    struct statfs f;
    struct statvfs v;
    int fd = made("s"), here = open(".", O_RDONLY | O_DIRECTORY);
    CHECK(!ftruncate(fd, 100) && !fstat(fd, &s) && s.st_size == 100 && S_ISREG(s.st_mode));
    CHECK((s.st_mode & 0777) == 0640); /* the umask is 027 */
    CHECK(!ftruncate64(fd, 200) && !stat("s", &s) && s.st_size == 200);
    CHECK(!truncate("s", 300) && !lstat("s", &s) && s.st_size == 300);
    CHECK(!truncate64("./s", 400) && !fstatat(AT_FDCWD, "s", &s, 0) && s.st_size == 400);
    CHECK(!fallocate(fd, 0, 0, 500) && !fstatat(fd, "", &s, AT_EMPTY_PATH) && s.st_size == 500);
    CHECK(!fallocate64(fd, 0, 500, 100) && !fstat64(fd, (void *)&s) && s.st_size == 600);
    CHECK(!posix_fallocate(fd, 0, 700) && !stat64("s", (void *)&s) && s.st_size == 700);
    CHECK(!posix_fallocate64(fd, 0, 60) && !lstat64("s", (void *)&s) && s.st_size == 700);
    CHECK(posix_fallocate(fd, 0, 0) == EINVAL && errno == 0);
    CHECK(!fstatat64(here, "s", (void *)&s, 0) && s.st_size == 700);
    CHECK(!__fxstat(1, fd, &s) && !__xstat(1, "s", &s) && !__lxstat(1, "s", &s));
    CHECK(!__fxstat64(1, fd, (void *)&s) && !__xstat64(1, "s", (void *)&s) && s.st_size == 700);
    CHECK(!__lxstat64(1, "s", (void *)&s) && !__fxstatat(1, here, "s", &s, 0));
    CHECK(!__fxstatat64(1, fd, "", (void *)&s, AT_EMPTY_PATH) && s.st_size == 700);
    CHECK(!statx(AT_FDCWD, "s", 0, STATX_ALL, &x) && x.stx_size == 700);
    CHECK(!statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &x) && x.stx_ino == s.st_ino);
    FAILS(stat("none", &s), ENOENT);
    FAILS(statfs("none", &f), ENOENT);
    CHECK(!statfs("s", &f) && f.f_type == 0x00c36400 && !fstatfs(fd, &f) && f.f_type == 0x00c36400);
    CHECK(!statfs64(".", (void *)&f) && !fstatfs64(fd, (void *)&f));
    CHECK(!statvfs("s", &v) && v.f_namemax == 255 && !fstatvfs(fd, &v));
    CHECK(!statvfs64("s", (void *)&v) && !fstatvfs64(fd, (void *)&v));
    CHECK(!access("s", R_OK | W_OK) && !faccessat(here, "s", F_OK, 0));
    FAILS(access("none", F_OK), ENOENT);
    FAILS(access("s", X_OK), EACCES);
    CHECK(!faccessat(AT_FDCWD, ".", X_OK, AT_EACCESS));
    CHECK(!fsync(fd) && !fdatasync(fd) && !sync_file_range(fd, 0, 10, 2));
    CHECK(!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) && !posix_fadvise64(fd, 0, 0, 0));
    close(here);
    close(fd);
}

static void attributes(void)
{
    char value[64], *names = buffer;
    int fd = made("x");
    FAILS(getxattr("x", "user.none", value, 64), ENODATA);
    CHECK(!setxattr("x", "user.a", "1", 1, 0) && !lsetxattr("x", "user.b", "22", 2, XATTR_CREATE));
    CHECK(!fsetxattr(fd, "user.c", "333", 3, 0));
    CHECK(getxattr("x", "user.c", value, 64) == 3 && lgetxattr("x", "user.a", value, 64) == 1);
    CHECK(fgetxattr(fd, "user.b", value, 64) == 2 && !memcmp(value, "22", 2));
    CHECK(listxattr("x", names, 999) >= 21 && llistxattr("x", names, 999) >= 21);
    CHECK(flistxattr(fd, names, 999) >= 21);
    CHECK(!removexattr("x", "user.a") && !lremovexattr("x", "user.b"));
    CHECK(!fremovexattr(fd, "user.c"));
    FAILS(fgetxattr(fd, "user.c", value, 64), ENODATA);
    close(fd);
}

static void names(void)
{
    struct stat s;
    close(made("n"));
    CHECK(!rename("n", "n2") && !renameat(AT_FDCWD, "n2", AT_FDCWD, "n3"));
    CHECK(!renameat2(AT_FDCWD, "n3", AT_FDCWD, "n4", 0) && !stat("n4", &s));
    FAILS(renameat2(AT_FDCWD, "n4", AT_FDCWD, "n5", RENAME_NOREPLACE), EINVAL);
    FAILS(rename("n4", "/tmp/elsewhere"), EXDEV);
    FAILS(rename("/proc/self/exe", "n4"), EXDEV);
    CHECK(!chmod("n4", 0400) && !stat("n4", &s) && (s.st_mode & 0777) == 0400);
    CHECK(!fchmodat(AT_FDCWD, "n4", 0600, 0));
    int fd = open("n4", O_RDWR);
    CHECK(!fchmod(fd, 0444) && !fstat(fd, &s) && (s.st_mode & 0777) == 0444);
    close(fd);
    CHECK(!unlink("n4"));
    FAILS(unlink("n4"), ENOENT);
    close(made("n6"));
    close(made("n7"));
    CHECK(!unlinkat(AT_FDCWD, "n6", 0) && !remove("n7"));
    CHECK(!mkdir("d", 0777) && !stat("d", &s) && S_ISDIR(s.st_mode) && (s.st_mode & 0777) == 0750);
    int in = open("d", O_RDONLY | O_DIRECTORY);
    close(openat(in, "deep", O_CREAT | O_WRONLY, 0600));
    CHECK(!stat("d/deep", &s));
    FAILS(rmdir("d"), ENOTEMPTY);
    CHECK(!unlinkat(in, "deep", 0) && !mkdirat(in, "e", 0700) && !remove("d/e"));
    CHECK(!mkdirat(in, "e", 0700) && !unlinkat(in, "e", AT_REMOVEDIR) && !rmdir("d"));
    close(in);
}

static void directories(void)
{
    struct dirent *entry, copy;
    struct stat s;
    int n = 0;
    CHECK(!mkdir("dir", 0700));
    close(made("dir/one"));
    close(made("dir/two"));
    DIR *d = opendir("dir"), *plain = opendir("/proc/self");
    CHECK(d && plain && dirfd(d) != dirfd(plain) && readdir(plain) && readdir64(plain));
    CHECK(!fstatat(dirfd(d), "two", &s, 0) && S_ISREG(s.st_mode));
    for (; (entry = readdir(d)); n++)
        CHECK(*entry->d_name == '.' || !strcmp(entry->d_name, "one") || !strcmp(entry->d_name, "two"));
    CHECK(n == 4 && !readdir64(d) && telldir(d) == 4);
    rewinddir(d);
    CHECK(readdir(d) && telldir(d) == 1 && !readdir_r(d, &copy, &entry) && entry == &copy);
    seekdir(d, 3);
    CHECK(!readdir64_r(d, (void *)&copy, (void *)&entry) && entry && !readdir(d));
    CHECK(!closedir(d) && !closedir(plain));
    int fd = open("dir", O_RDONLY | O_DIRECTORY);
    d = fdopendir(fd);
    CHECK(d && readdir(d) && !closedir(d));
    FAILS(fstat(fd, &s), EBADF);
    NULL_OF(opendir("none"), ENOENT);
    CHECK(!unlink("dir/one") && !unlink("dir/two") && !rmdir("dir"));
}

static void streams(void)
{
    char line[64];
    FILE *f = fopen("stream", "w");
    CHECK(f && fputs("first\nsecond\n", f) >= 0 && fprintf(f, "%d", 3) == 1 && ftell(f) == 14);
    CHECK(!fseek(f, 1, SEEK_SET) && fputc('I', f) == 'I' && !fclose(f));
    CHECK(holds("stream", "fIrst\nsecond\n3"));
    NULL_OF(fopen("none", "r"), ENOENT);
    NULL_OF(fopen("stream", "wx"), EEXIST);
    f = fopen64("stream", "a+");
    CHECK(f && fwrite("end", 1, 3, f) == 3 && !fflush(f) && holds("stream", "fIrst\nsecond\n3end"));
    rewind(f);
    CHECK(fgets(line, 64, f) && !strcmp(line, "fIrst\n") && fread(line, 1, 64, f) == 11 && feof(f));
    CHECK(!fclose(f));
    int fd = open("stream", O_RDWR), other = dup(fd);
    f = fdopen(other, "r+");
    CHECK(f && !fseeko(f, 6, SEEK_SET) && fwrite("S", 1, 1, f) == 1 && !fclose(f));
    FAILS(close(other), EBADF);
    CHECK(holds("stream", "fIrst\nSecond\n3end") && lseek(fd, 0, SEEK_CUR) == 7 && !close(fd));
    fd = open("stream", O_RDONLY);
    NULL_OF(fdopen(fd, "w"), EINVAL);
    close(fd);
}

static void refused(void)
{
    char path[32];
    int fd = made("r");
    NULL_OF(freopen("r", "r", stdin), EOPNOTSUPP);
    FAILS(scandir(".", NULL, NULL, NULL), EOPNOTSUPP);
    FAILS(scandir64(".", NULL, NULL, NULL), EOPNOTSUPP);
    NULL_OF(fdopendir(fd), ENOTDIR);
    NULL_OF(mkdtemp(strcpy(path, "XXXXXX")), EOPNOTSUPP);
    FAILS(mkstemp(strcpy(path, "XXXXXX")), EOPNOTSUPP);
    FAILS(link("r", "r2"), EOPNOTSUPP);
    FAILS(linkat(AT_FDCWD, "r", AT_FDCWD, "r2", 0), EOPNOTSUPP);
    FAILS(symlink("r", "r2"), EOPNOTSUPP);
    FAILS(symlinkat("r", AT_FDCWD, "r2"), EOPNOTSUPP);
    FAILS(mkfifo("f", 0600), EOPNOTSUPP);
    FAILS(mknod("f", S_IFIFO | 0600, 0), EOPNOTSUPP);
    FAILS(mknodat(AT_FDCWD, "f", S_IFIFO | 0600, 0), EOPNOTSUPP);
    FAILS((long)mmap(NULL, 100, PROT_READ, MAP_SHARED, fd, 0), EBADF);
    FAILS(fchdir(fd), ENOTDIR);
    FAILS(syncfs(fd), EBADF);
    FAILS(readahead(fd, 0, 100), EBADF);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    FAILS(open(path, O_WRONLY), ELOOP);
    FAILS(open(path, O_RDONLY), ELOOP);
    close(fd);
}

static void descriptors(void)
{
    int fd = made("p"), two = dup(fd), three = dup2(fd, 200), four = dup3(fd, 201, O_CLOEXEC);
    int five = fcntl(fd, F_DUPFD, 202), six = fcntl(fd, F_DUPFD_CLOEXEC, 203);
    CHECK(write(fd, "a", 1) == 1 && write(two, "b", 1) == 1 && write(three, "c", 1) == 1);
    CHECK(!close(fd) && write(four, "d", 1) == 1 && write(five, "e", 1) == 1);
    CHECK(write(six, "f", 1) == 1 && lseek(two, 0, SEEK_CUR) == 6 && holds("p", "abcdef"));
    int plain = open("/dev/null", O_WRONLY);
    CHECK(dup2(plain, three) == 200 && write(three, "lost", 4) == 4 && holds("p", "abcdef"));
    CHECK(dup2(two, plain) == plain && write(plain, "g", 1) == 1 && holds("p", "abcdefg"));
    CHECK(!close_range(200, 203, 0));
    FAILS(write(four, "x", 1), EBADF);
    close(plain);
    CHECK(write(two, "h", 1) == 1 && holds("p", "abcdefgh"));
    closefrom(two);
    FAILS(write(two, "x", 1), EBADF);
}

/* -------------------------------------------------------------------------------------- locks */

static int in_a_child(int (*does)(int), int fd)
{
    int status;
    pid_t child = fork();
    if (!child)
        _exit(does(fd));
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int locks_what_is_held(int fd)
{
    struct flock range = {.l_type = F_WRLCK, .l_start = 12, .l_len = 5};
    int own = open("l", O_RDWR);
    if (fcntl(own, F_SETLK, &range) != -1 || errno != EAGAIN)
        return 1;
    if (fcntl(own, F_GETLK, &range) || range.l_type != F_WRLCK || range.l_start != 10)
        return 2;
    if (range.l_pid != getppid() || range.l_whence != SEEK_SET || range.l_len != 20)
        return 3;
    range = (struct flock){.l_type = F_WRLCK, .l_start = 30, .l_len = 5};
    if (fcntl(own, F_SETLK, &range) || flock(own, LOCK_EX | LOCK_NB) != -1 || errno != EAGAIN)
        return 4;
    return lseek(own, 12, SEEK_SET) != 12 || lockf(own, F_TEST, 1) != -1 || errno != EACCES;
}

static int locks_what_is_free(int fd)
{
    struct flock range = {.l_type = F_WRLCK, .l_start = 0, .l_len = 0};
    int own = open("l", O_RDWR);
    return fcntl(own, F_OFD_SETLK, &range) || flock(own, LOCK_EX | LOCK_NB);
}

static void locks(void)
{
    int fd = made("l"), reads = open("l", O_RDONLY);
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = 5, .l_len = 20};
    CHECK(lseek(fd, 5, SEEK_SET) == 5 && !fcntl(fd, F_SETLK, &range) && range.l_start == 5);
    FAILS(fcntl(reads, F_SETLK, &range), EBADF);
    CHECK(!flock(fd, LOCK_EX) && !in_a_child(locks_what_is_held, fd));
    range.l_type = F_UNLCK;
    CHECK(!fcntl(fd, F_SETLKW, &range) && !flock(fd, LOCK_UN));
    CHECK(!in_a_child(locks_what_is_free, fd));
    CHECK(!lockf(fd, F_LOCK, 10) && !lockf(fd, F_TEST, 10) && !lockf64(fd, F_TLOCK, 5));
    CHECK(!lockf(fd, F_ULOCK, 10));
    FAILS(lockf(fd, 77, 1), EINVAL);
    range.l_type = F_RDLCK;
    CHECK(!fcntl(fd, F_GETLK, &range) && range.l_type == F_UNLCK);
    range = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_END, .l_len = 1};
    CHECK(!fcntl(fd, F_OFD_SETLKW, &range) && !fcntl(reads, F_OFD_GETLK, &range));
    CHECK(range.l_type == F_WRLCK && range.l_start == 0);
    close(fd);
    close(reads);
}

/* ------------------------------------------------------------------------- processes, threads */

static int goes_on(int fd)
{
    return pread(fd, buffer, 6, 0) != 6 || memcmp(buffer, "parent", 6) || write(fd, "+", 1) != 1
           || close(fd) || !holds("f", "parent+");
}

static void forks(void)
{
    int fd = made("f");
    CHECK(write(fd, "parent", 6) == 6 && !in_a_child(goes_on, fd));
    CHECK(write(fd, "!", 1) == 1); /* each process has a position of its own */
    CHECK(!system("exec true") && !close(fd) && holds("f", "parent!"));
    pid_t child = vfork();
    if (!child) {
        close(fd);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

static int fails_to_execute(int fd)
{
    write(fd, "before ", 7);
    execl("/nowhere", "nowhere", NULL);
    return write(fd, "after", 5) != 5;
}

static void executes(void)
{
    int fd = made("e");
    CHECK(!in_a_child(fails_to_execute, fd) && holds("e", "before after"));
    close(fd);
}

static void *appends(void *data)
{
    for (int i = 0; i < 100; i++)
        CHECK(write(*(int *)data, "0123456789", 10) == 10);
    return NULL;
}

static void threads(void)
{
    int fd = made("many");
    pthread_t all[8];
    struct stat s;
    for (int i = 0; i < 8; i++)
        pthread_create(&all[i], NULL, appends, &fd);
    for (int i = 0; i < 8; i++)
        pthread_join(all[i], NULL);
    CHECK(!fstat(fd, &s) && s.st_size == 8000 && lseek(fd, 0, SEEK_CUR) == 8000);
    close(fd);
}

static void end(const char *way)
{
    int fd = made("end");
    CHECK(write(fd, "all of it", 9) == 9);
    if (!strcmp(way, "_exit"))
        _exit(3);
    if (!strcmp(way, "quick"))
        quick_exit(3);
    if (!strcmp(way, "exec"))
        execl("/bin/sh", "sh", "-c", "exit 3", NULL);
    if (!strcmp(way, "close") && close(fd) == -1 && errno == EDQUOT)
        exit(3);
    if (!strcmp(way, "unflushed"))
        fputs("and the rest", fopen("late", "w"));
    if (!strcmp(way, "exit") || !strcmp(way, "unflushed"))
        exit(3);
}

static const struct {
    const char *name;
    void (*tries)(void);
} parts[] = {{"opening", opening}, {"transfers", transfers}, {"copies", copies},
             {"asynchronous", asynchronous}, {"sizes", sizes}, {"attributes", attributes},
             {"names", names}, {"directories", directories}, {"streams", streams}, {"refused", refused}, {"descriptors", descriptors},
             {"locks", locks}, {"forks", forks}, {"executes", executes}, {"threads", threads}};

int main(int count, char **words)
{
    umask(027);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (count == 1 || !strcmp(words[1], parts[i].name))
            parts[i].tries();
    if (count > 2)
        end(words[2]);
    return bad;
}
