"""What the tools of striped file systems print: samples, written after the documents named."""

from __future__ import annotations

from piotutor.storage import beegfs, cephfs, daos, gpfs, lfs

MIB = 1 << 20

PLAIN = """/scratch/plain
lmm_stripe_count:  4
lmm_stripe_size:   1048576
lmm_pattern:       raid0
lmm_layout_gen:    0
lmm_stripe_offset: 5
\tobdidx\t\t objid\t\t objid\t\t group
\t     5\t          8834\t       0x2282\t             0
\t     0\t          8835\t       0x2283\t             0
\t     7\t          8836\t       0x2284\t             0
\t     2\t          8837\t       0x2285\t   0x240000400

"""
PLAIN_YAML = """lmm_stripe_count:  2
lmm_stripe_size:   65536
lmm_pattern:       raid0
lmm_layout_gen:    0
lmm_stripe_offset: 3
lmm_pool:          flash
lmm_objects:
      - l_ost_idx: 3
        l_fid:     0x100030000:0x2:0x0
      - l_ost_idx: 1
        l_fid:     0x100010000:0x2:0x0
"""
OLD = """/scratch/old stripe_count: 9
lmm_stripe_count:   1
lmm_stripe_size:    4194304
lmm_stripe_offset:  86
\tobdidx\t\t objid\t\tobjid\t\t group
\t    86\t       1091894\t     0x10a936\t             0

"""
PROGRESSIVE = """/scratch/grows
  lcm_layout_gen:    5
  lcm_mirror_count:  1
  lcm_entry_count:   3
    lcme_id:             1
    lcme_mirror_id:      0
    lcme_flags:          init
    lcme_extent.e_start: 0
    lcme_extent.e_end:   4194304
      lmm_stripe_count:  1
      lmm_stripe_size:   1048576
      lmm_pattern:       raid0
      lmm_layout_gen:    0
      lmm_stripe_offset: 6
      lmm_objects:
      - 0: { l_ost_idx: 6, l_fid: [0x100060000:0x2:0x0] }

    lcme_id:             2
    lcme_mirror_id:      0
    lcme_flags:          init
    lcme_extent.e_start: 4194304
    lcme_extent.e_end:   67108864
      lmm_stripe_count:  4
      lmm_stripe_size:   1048576
      lmm_pattern:       raid0,overstriped
      lmm_layout_gen:    0
      lmm_stripe_offset: 1
      lmm_objects:
      -   0: { l_ost_idx:   1, l_fid: [0x100010000:0x2:0x0] }
      -   1: { l_ost_idx:   0, l_fid: [0x100000000:0x2:0x0] }
      -   2: { l_ost_idx:   1, l_fid: [0x100010000:0x3:0x0] }
      -   3: { l_ost_idx:   0, l_fid: [0x100000000:0x3:0x0] }

    lcme_id:             3
    lcme_mirror_id:      0
    lcme_flags:          0
    lcme_extent.e_start: 67108864
    lcme_extent.e_end:   EOF
      lmm_stripe_count:  -1
      lmm_stripe_size:   4194304
      lmm_pattern:       raid0
      lmm_layout_gen:    0
      lmm_stripe_offset: -1
"""
PROGRESSIVE_YAML = """  lcm_layout_gen:    3
  lcm_mirror_count:  1
  lcm_entry_count:   2
  component0:
    lcme_id:             1
    lcme_mirror_id:      0
    lcme_flags:          init
    lcme_extent.e_start: 0
    lcme_extent.e_end:   1048576
    sub_layout:
      lmm_stripe_count:  0
      lmm_stripe_size:   1048576
      lmm_pattern:       mdt
      lmm_layout_gen:    0
      lmm_mdt_index:     0

  component1:
    lcme_id:             2
    lcme_mirror_id:      0
    lcme_flags:          init
    lcme_extent.e_start: 1048576
    lcme_extent.e_end:   EOF
    sub_layout:
      lmm_stripe_count:  2
      lmm_stripe_size:   1048576
      lmm_pattern:       raid0
      lmm_layout_gen:    0
      lmm_stripe_offset: 0
      lmm_objects:
      - 0: { l_ost_idx: 0, l_fid: [0x100000000:0x9:0x0] }
      - 1: { l_ost_idx: 2, l_fid: [0x100020000:0x9:0x0] }
"""
MIRRORED = """/scratch/twice
  lcm_layout_gen:    2
  lcm_mirror_count:  2
  lcm_entry_count:   2
    lcme_id:             65537
    lcme_mirror_id:      1
    lcme_flags:          init,stale
    lcme_extent.e_start: 0
    lcme_extent.e_end:   EOF
      lmm_stripe_count:  1
      lmm_stripe_size:   4194304
      lmm_pattern:       raid0
      lmm_layout_gen:    0
      lmm_stripe_offset: 1
      lmm_objects:
      - 0: { l_ost_idx: 1, l_fid: [0x100010000:0x2:0x0] }

    lcme_id:             131074
    lcme_mirror_id:      2
    lcme_flags:          init
    lcme_extent.e_start: 0
    lcme_extent.e_end:   EOF
      lmm_stripe_count:  2
      lmm_stripe_size:   4194304
      lmm_pattern:       raid0
      lmm_layout_gen:    0
      lmm_stripe_offset: 3
      lmm_pool:          archive
      lmm_objects:
      - 0: { l_ost_idx: 3, l_fid: [0x100030000:0x2:0x0] }
      - 1: { l_ost_idx: 4, l_fid: [0x100040000:0x2:0x0] }
"""
DIRECTORY = """/scratch/dir
stripe_count:  -1 stripe_size:   2097152 pattern:       raid0 stripe_offset: -1 pool: flash

"""
OLD_DIRECTORY = "/scratch\n(Default) stripe_count: 1 stripe_size: 1M stripe_offset: -1\n"
PROGRESSIVE_DIRECTORY = """/scratch/dir
  lcm_layout_gen:  0
  lcm_entry_count: 2
    lcme_id:             N/A
    lcme_flags:          0
    lcme_extent.e_start: 0
    lcme_extent.e_end:   268435456
      stripe_count:  1       stripe_size:   1048576       stripe_offset: -1
    lcme_id:             N/A
    lcme_flags:          0
    lcme_extent.e_start: 268435456
    lcme_extent.e_end:   EOF
      stripe_count:  4       stripe_size:   1048576       stripe_offset: -1
"""
DOM_NUMBER = "lmm_stripe_count: 0\nlmm_stripe_size: 65536\nlmm_pattern: 100\n"
DF = """UUID                   1K-blocks        Used   Available Use% Mounted on
temp-MDT0000_UUID        8388608      409600     7979008   5% /scratch[MDT:0]
temp-OST0000_UUID      838860800      409600   838451200   1% /scratch[OST:0]
temp-OST0001_UUID    : inactive device
temp-OST000a_UUID      838860800   838860800           0 100% /scratch[OST:10] f

filesystem_summary:   1677721600   839270400   838451200  51% /scratch
"""
BEEGFS_FILE = """Entry type: file
EntryID: 0-5D285750-1
Metadata node: meta1 [ID: 1]
Stripe pattern details:
+ Type: RAID0
+ Chunksize: 512K
+ Number of storage targets: desired: 4; actual: 2
+ Storage targets:
  + 101 @ store1 [ID: 1]
  + 201 @ store2 [ID: 2]
Chunk path: u0/0/r/root/0-5EC39809-1
Client Sessions
+ Reading: 0
+ Writing: 0
"""
BEEGFS_DIRECTORY = """Entry type: directory
EntryID: root
ParentID:
Stripe pattern details:
+ Type: Buddy Mirror
+ Chunksize: 1M
+ Number of storage targets: desired: 4
+ Storage Pool: 1  (default)
Inlined inode: no
"""
GPFS = """file name:            /gpfs/data/file
metadata replication: 1 max 2
data replication:     2 max 2
immutable:            no
appendOnly:           no
flags:
storage pool name:    fast
fileset name:         root
snapshot name:
creation time:        Mon Nov  2 10:00:00 2026
Misc attributes:      ARCHIVE
Encrypted:            no
"""
GPFS_TABLE = """flag                value                    description
------------------- ------------------------ -----------------------------------
 -B                 4194304                  Block size
"""
GPFS_FIELDS = """mmlsfs::HEADER:version:reserved:reserved:deviceName:fieldName:data:remarks:
mmlsfs::0:1:::data:blockSize:16777216::
"""
CEPH = "stripe_unit=65536 stripe_count=4 object_size=4194304 pool=cephfs_data"
DAOS = "Object Class = EC_4P2GX\nObject Chunk Size = 1048576\n"

LUSTRE_SAMPLES = (
    *(PLAIN, PLAIN_YAML, OLD, PROGRESSIVE, PROGRESSIVE_YAML, MIRRORED),
    *(DIRECTORY, OLD_DIRECTORY, PROGRESSIVE_DIRECTORY, DOM_NUMBER),
)
READERS = (
    *((lfs.parse_getstripe, sample) for sample in LUSTRE_SAMPLES),
    (lfs.parse_df, DF),
    *((beegfs.parse_entry, sample) for sample in (BEEGFS_FILE, BEEGFS_DIRECTORY)),
    (gpfs.parse_attributes, GPFS),
    *((gpfs.parse_block_size, sample) for sample in (GPFS_TABLE, GPFS_FIELDS)),
    (cephfs.parse_layout, CEPH),
    (daos.parse_attributes, DAOS),
)


def only(found):
    """Return the one component of a striping."""
    (component,) = found.components
    return component
