/* What is known of routed files without their bytes. */
#include "route.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CEPH_MAGIC 0x00c36400 /* what statfs calls a Ceph */
#define DEVICE makedev(0, 0xc3640) /* of no disk, and no other's: libcephfs tells a snapshot's */

static void fill(struct stat *to, const struct ceph_statx *from)
{
    memset(to, 0, sizeof *to);
    to->st_dev = DEVICE;
    to->st_ino = from->inode;
    to->st_mode = from->mode;
    to->st_nlink = from->links;
    to->st_uid = from->uid;
    to->st_gid = from->gid;
    to->st_rdev = from->special;
    to->st_size = (off_t)from->size;
    to->st_blksize = (blksize_t)from->block_size;
    to->st_blocks = (blkcnt_t)from->blocks;
    to->st_atim = from->accessed;
    to->st_mtim = from->modified;
    to->st_ctim = from->changed;
}

/* ------------------------------------------------------------------------------- asking for it */

static ON_HANDLE(int, ask, (int fd, struct ceph_statx *about),
                 ceph.fstatx(route.mount, handle, about, CEPH_STATX_ALL, 0))
static ON_PATH(int, ask_at, (int directory, const char *path, unsigned how, struct ceph_statx *about),
               directory, path, ceph.statx(route.mount, where, about, CEPH_STATX_ALL, how))

/* By path; an empty one, where flags permit it, is the descriptor itself. */
static int ask(int directory, const char *path, int flags, struct ceph_statx *about)
{
    if (flags & AT_EMPTY_PATH && !*path)
        return route_ask(directory, about);
    return route_ask_at(directory, path, flags & AT_SYMLINK_NOFOLLOW, about);
}

int route_fstat(int fd, struct stat *to)
{
    struct ceph_statx about;
    int result = route_ask(fd, &about);
    if (!result)
        fill(to, &about);
    return result;
}

int route_stat(int directory, const char *path, struct stat *to, int flags)
{
    struct ceph_statx about;
    int result = ask(directory, path, flags, &about);
    if (!result)
        fill(to, &about);
    return result;
}

#ifdef STATX_BASIC_STATS
static struct statx_timestamp stamp(struct timespec time)
{
    return (struct statx_timestamp){.tv_sec = time.tv_sec, .tv_nsec = (uint32_t)time.tv_nsec};
}

int route_statx(int directory, const char *path, int flags, struct statx *to)
{
    struct ceph_statx about;
    if (ask(directory, path, flags, &about))
        return -1;
    *to = (struct statx){
        .stx_mask = STATX_BASIC_STATS | STATX_BTIME, .stx_blksize = about.block_size,
        .stx_nlink = about.links, .stx_uid = about.uid, .stx_gid = about.gid,
        .stx_mode = about.mode, .stx_ino = about.inode, .stx_size = about.size,
        .stx_blocks = about.blocks, .stx_atime = stamp(about.accessed),
        .stx_btime = stamp(about.born), .stx_ctime = stamp(about.changed),
        .stx_mtime = stamp(about.modified), .stx_dev_major = major(DEVICE),
        .stx_dev_minor = minor(DEVICE)};
    return 0;
}
#endif

/* -------------------------------------------------------------------------- the file system */

static int64_t ask_system(const char *where, struct statvfs *about)
{
    int error = ceph.statfs(route.mount, where, about);
    about->f_namemax = 255;
    return error;
}

ON_FILE(int, fstatvfs, (int fd, struct statvfs *about), ask_system(file->path, about))

static ON_PATH(int, ask_system, (const char *path, struct statvfs *about), AT_FDCWD, path,
               ask_system(where, about))

int route_statvfs(const char *path, struct statvfs *about)
{
    struct ceph_statx there; /* libcephfs would tell it of a path that isn't there, too */
    return ask(AT_FDCWD, path, 0, &there) ? -1 : route_ask_system(path, about);
}

static int in_other_words(struct statfs *to, int result, const struct statvfs *about)
{
    if (result)
        return result;
    *to = (struct statfs){
        .f_type = CEPH_MAGIC, .f_bsize = (long)about->f_bsize, .f_frsize = (long)about->f_frsize,
        .f_blocks = about->f_blocks, .f_bfree = about->f_bfree, .f_bavail = about->f_bavail,
        .f_files = about->f_files, .f_ffree = about->f_ffree, .f_namelen = 255};
    return 0;
}

int route_fstatfs(int fd, struct statfs *to)
{
    struct statvfs about;
    return in_other_words(to, route_fstatvfs(fd, &about), &about);
}

int route_statfs(const char *path, struct statfs *to)
{
    struct statvfs about;
    return in_other_words(to, route_statvfs(path, &about), &about);
}

/* ----------------------------------------------------------------------------- permissions */

static int may(const struct stat *about, int mode, uid_t user, gid_t group)
{
    mode_t bits = about->st_mode;
    if (!user)
        return !(mode & X_OK) || S_ISDIR(bits) || bits & 0111;
    bits >>= about->st_uid == user ? 6 : about->st_gid == group ? 3 : 0;
    return ((mode_t)mode & ~bits & 7) == 0;
}

int route_access(int directory, const char *path, int mode, int flags)
{
    struct stat about;
    if (route_stat(directory, path, &about, flags & ~AT_EACCESS))
        return -1;
    int allowed = flags & AT_EACCESS ? may(&about, mode, geteuid(), getegid())
                                     : may(&about, mode, getuid(), getgid());
    return allowed ? 0 : route_refuse(EACCES);
}
