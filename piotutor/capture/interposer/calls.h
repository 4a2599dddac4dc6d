/* The exact calls, by the number that the high byte of a record's flags holds; 0 is unknown.
 * The same table stands in piotutor/trace/calls.py. Numbers are never given away twice.
 */
#ifndef PIOTUTOR_CALLS_H
#define PIOTUTOR_CALLS_H

/* clang-format off */
#define POSIX_CALLS(X) \
    X(1, open) X(2, openat) X(3, creat) X(4, close) \
    X(5, read) X(6, write) X(7, pread) X(8, pwrite) \
    X(9, readv) X(10, writev) X(11, preadv) X(12, pwritev) X(13, preadv2) X(14, pwritev2) \
    X(15, lseek) X(16, ftruncate) X(17, truncate) X(18, fallocate) X(19, posix_fallocate) \
    X(20, fsync) X(21, fdatasync) X(22, sync_file_range) X(23, fcntl) X(24, flock) X(25, lockf) \
    X(26, copy_file_range) X(27, sendfile) X(28, splice) X(29, aio_read) X(30, aio_write) \
    X(31, aio_fsync) X(32, unlink) X(33, unlinkat) X(34, remove) X(35, rename) \
    X(36, renameat) X(37, renameat2) X(38, mkstemp) X(39, dprintf) \
    X(40, lio_listio)

#define STDIO_CALLS(X) \
    X(64, fopen) X(65, freopen) X(66, fclose) X(67, fread) X(68, fwrite) X(69, fgets) \
    X(70, fputs) X(71, fprintf) X(73, getline) X(74, fseek) \
    X(76, stdio)

#define MPIIO_CALLS(X) \
    X(96, MPI_File_open) X(97, MPI_File_close) X(98, MPI_File_delete) \
    X(99, MPI_File_set_size) X(100, MPI_File_preallocate) X(101, MPI_File_set_view) \
    X(102, MPI_File_set_info) X(103, MPI_File_sync) X(104, MPI_File_seek) \
    X(105, MPI_File_seek_shared) X(106, MPI_File_set_atomicity) \
    X(107, MPI_File_read) X(108, MPI_File_write) \
    X(109, MPI_File_read_all) X(110, MPI_File_write_all) \
    X(111, MPI_File_read_at) X(112, MPI_File_write_at) \
    X(113, MPI_File_read_at_all) X(114, MPI_File_write_at_all) \
    X(115, MPI_File_read_shared) X(116, MPI_File_write_shared) \
    X(117, MPI_File_read_ordered) X(118, MPI_File_write_ordered) \
    X(119, MPI_File_iread) X(120, MPI_File_iwrite) \
    X(121, MPI_File_iread_all) X(122, MPI_File_iwrite_all) \
    X(123, MPI_File_iread_at) X(124, MPI_File_iwrite_at) \
    X(125, MPI_File_iread_at_all) X(126, MPI_File_iwrite_at_all) \
    X(127, MPI_File_iread_shared) X(128, MPI_File_iwrite_shared) \
    X(129, MPI_File_read_all_begin) X(130, MPI_File_read_all_end) \
    X(131, MPI_File_write_all_begin) X(132, MPI_File_write_all_end) \
    X(133, MPI_File_read_at_all_begin) X(134, MPI_File_read_at_all_end) \
    X(135, MPI_File_write_at_all_begin) X(136, MPI_File_write_at_all_end) \
    X(137, MPI_File_read_ordered_begin) X(138, MPI_File_read_ordered_end) \
    X(139, MPI_File_write_ordered_begin) X(140, MPI_File_write_ordered_end)

#define HDF5_CALLS(X) \
    X(160, H5Fcreate) X(161, H5Fopen) X(162, H5Fclose) X(163, H5Fflush) \
    X(164, H5Dcreate2) X(165, H5Dopen2) X(166, H5Dclose) X(167, H5Dread) X(168, H5Dwrite) \
    X(169, H5Dset_extent) X(170, H5Dflush) \
    X(171, H5Acreate2) X(172, H5Aopen) X(173, H5Aread) X(174, H5Awrite) X(175, H5Aclose) \
    X(176, H5Adelete) X(177, H5Gcreate2) X(178, H5Gopen2) X(179, H5Gclose) \
    X(180, H5Lcreate_hard) X(181, H5Lcreate_soft) X(182, H5Ldelete) X(183, H5Lmove) \
    X(184, H5Oopen) X(185, H5Oclose) \
    X(186, H5Dcreate_anon) X(187, H5Dread_multi) X(188, H5Dwrite_multi) X(189, H5Dread_chunk) \
    X(190, H5Dwrite_chunk) X(191, H5Drefresh) X(192, H5Acreate_by_name) X(193, H5Aopen_by_name) \
    X(194, H5Aopen_by_idx) X(195, H5Arename) X(196, H5Aexists) X(197, H5Aiterate) \
    X(198, H5Gget_info) X(199, H5Lcreate_external) X(200, H5Lcopy) X(201, H5Lexists) \
    X(202, H5Lget_info) X(203, H5Literate) X(204, H5Lvisit) X(205, H5Ocopy) X(206, H5Olink) \
    X(207, H5Oexists_by_name) X(208, H5Oget_info) X(209, H5Ovisit) X(210, H5Idec_ref) \
    X(211, H5Lget_name_by_idx) X(212, H5Lget_val)

#define CALLS(X) POSIX_CALLS(X) STDIO_CALLS(X) MPIIO_CALLS(X) HDF5_CALLS(X)
/* clang-format on */

#define CALL_NUMBER(number, name) CALL_##name = number,
enum { CALL_UNKNOWN = 0, CALLS(CALL_NUMBER) };
#undef CALL_NUMBER

#endif
