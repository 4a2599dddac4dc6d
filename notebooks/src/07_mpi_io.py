# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How many system calls is one write?
#
# **Lesson 07 · MPI-IO · 25 minutes**
#
# One report on large machines tells of codes that wrote up to 33 times faster once the layers below them were tuned. The codes computed the same numbers as before, and
# their files held the same bytes.
#
# **What you will do.** Four processes write one array in five ways. Each time you watch the same bytes go down through the layers, and count what arrives at the
# bottom. Then you foretell such a count, and you repair a wish that the library repeated but never granted.
#
# **What you need.** This notebook. A *rank* is one of the processes of a parallel job, counted from 0; an *offset* is a place in a file. (Lessons 00 and 04 show them.) A
# *system call* is a request of a program to the *kernel*, the core of the operating system: open, read, write. Each one costs time, however few bytes it moves.

# %%
import piotutor as pio

lesson = pio.Lesson("07")
lesson

# %% [markdown]
# ## 1. The pattern
#
# *3 minutes. Skip this if late: no, but show the map only.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "An array, row by row in one file. Each rank owns some columns. So in every row each rank has one piece, and the pieces of the others lie in between. Nobody chose this to be
# mean: it is how arrays lie in files. One call can name all 64 pieces at once. What the layers below make of it is today's question."
#
# </details><br>
#
# Think of an array of 64 rows. It lies in the file row by row. Each of four ranks owns a quarter of the columns. So of each row a rank has one piece of 16 KiB, and then come
# the pieces of the other three. (A *KiB* is 1,024 bytes.) Such a pattern, with equal pieces at equal distances, is called *strided*.
#
# *MPI-IO* is the part of MPI that deals with files. A rank can tell it once which parts of the file are its own: this is a *file view*. From then on one call writes all
# 64 pieces. Below, each row of the map is a rank, and from left to right is the file. How many pieces do all four have?

# %%
array = {"num_tasks": 4, "block_size": "16k", "transfer_size": "16k", "segment_count": 64, "write": True}
columns = pio.Workload.make(api="MPIIO", use_file_view=True, use_strided_datatype=True, **array)
lesson.map(columns)

# %% [markdown]
# ## 2. Predict
#
# *3 minutes. Skip this if late: no, but a show of hands is enough.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Four ranks, 64 pieces each, 256 in all. They write them with one collective call. How many system calls? Who says 256? Who says four, one a rank? Anybody less than four? Keep your number:
# it is locked when the run begins."
#
# </details><br>
#
# A call is *independent* if a rank makes it on its own. It is *collective* if all ranks make it together, so that the library knows what everyone wants before it moves a
# byte. First a number, for the collective call:

# %%
lesson.predict("together")

# %% [markdown]
# Then an independent call. A *hole* is what lies between two pieces of one rank: bytes that it didn't ask for.

# %%
lesson.predict("sieved")

# %% [markdown]
# And a question about wishes. A *hint* is a name and a value that you hand to MPI-IO when you open a file, to say how you would like it to work:

# %%
lesson.predict("echo")

# %% [markdown]
# ## 3. Run: piece by piece
#
# *2 minutes. Skip this if late: no.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "This picture is the descent. On top what the ranks asked for; below it the MPI-IO calls; at the bottom the system calls. All lanes share one axis, the place in the file. Here the bottom
# looks like the top: every piece became a system call. 256 of them, for 4 MiB."
#
# </details><br>
#
# The plain way: each rank makes one independent call. The hint `romio_ds_write=disable` switches off a trick that we look at next. (*ROMIO* is the name of MPI-IO in MPICH.)
#
# This picture is the *descent*: one lane for each layer, from the program at the top to the system calls at the bottom, all over one axis, the offset in the file.
# Between two lanes stands what became of the calls and of the bytes. By what number are the calls multiplied?

# %%
alone = columns.replace(hints="romio_ds_write=disable")
pieces = await lesson.watch(alone, "pieces", views=("descent",))

# %% [markdown]
# ## 4. Run: with a sieve
#
# *3 minutes. Skip this if late: show the picture only.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Few large calls are better than many small ones, so the library cheats. It reads the whole range, the others' bytes included, changes its own, and writes everything back. Now 32 writes
# instead of 256, but four times the bytes, and as many to read first. And a lock, or the ranks would undo each other's work."
#
# </details><br>
#
# The trick is *data sieving*. The library reads a large window of the file, holes and all. It puts the rank's pieces in, and writes the window back. Meanwhile it holds a lock on the range. Without
# it a neighbour's new bytes in the holes would be overwritten with old ones.
#
# So there are far fewer calls, and far more bytes. Look at the lowest lanes: which ranks touch which part of the file now?

# %%
sieve = columns.replace(hints="romio_ds_write=enable")
sieved = await lesson.watch(sieve, "sieved", views=("descent",))

# %% [markdown]
# Press *Replay*, and choose *time, around one request*. Can you see a read come before each write?
#
# ## 5. Run: together
#
# *3 minutes. Skip this if late: no, this is the point.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "One word changes: collective. Now the library sees all 256 pieces at once, and together they have no holes. The ranks send their bytes to one of them, the aggregator, and it writes. One system
# call for everybody. Then we allow four aggregators: each writes a quarter."
#
# </details><br>
#
# Now the same call is collective. The ranks first send their pieces to an *aggregator*, a rank that puts them in order and writes for everybody. Sending first and
# writing then are two phases, hence *two-phase I/O*; another name is *collective buffering*. How many ranks reach the lowest lane?

# %%
shared = columns.replace(collective=True)
together = await lesson.watch(shared, "together", views=("descent",))

# %% [markdown]
# Here `cb_config_list=*:4` lets four ranks of a node be aggregators. The range is cut into four *file domains*, one for each. And `cb_buffer_size` says how many bytes an
# aggregator holds at once: we make it small, 256 KiB. How many calls will each of the four make?

# %%
four = shared.replace(hints="cb_config_list=*:4,cb_buffer_size=262144")
domains = await lesson.watch(four, "domains", views=("descent",))

# %% [markdown]
# ## 6. Look
#
# *2 minutes. Skip this if late: show the table.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Same array, same file, byte for byte. 256 calls, 32, 1, 16. The second column is what the program did: four calls, always. Everything else happened below it. And look at the bytes of the sieve:
# four times what was asked for."
#
# </details><br>
#
# The table holds counts only, no times. In each of these runs the program made the same four calls.
#
# - Compare the number that the rule foretells with the one that was counted. (The rules come next.)
# - Compare the bytes written by `pieces` and by `sieved`. Who paid for the fewer calls?
# - Compare `together` with `domains`: who writes, and in how many pieces?
#
# A sieve's reads may be a few more than its writes. Where a window reaches over the end of the file as it is at that moment, the library asks a second time. That depends on who
# is quick; the writes don't.

# %%
lesson.counts("pieces", "sieved", "together", "domains")

# %% [markdown]
# ## 7. Explain
#
# *3 minutes. Skip this if late: no.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Three rules. Piece by piece: as many as there are pieces. Sieve: the range over the buffer, rounded up, for each rank. Together: each aggregator's share over its buffer, rounded up, summed up. All three are exact.
# Division, and rounding up: that is the whole of two-phase I/O."
#
# </details><br>
#
# *Ceil* means: rounded up to a whole number. The *extent* of a rank is what lies between its first byte and its last, holes included. The system calls that write are
#
# - piece by piece: **one for each piece**;
# - with a sieve: **`ceil(extent / ind_wr_buffer_size)`** for each rank;
# - two-phase: **`ceil(file domain / cb_buffer_size)`** for each aggregator.
#
# Our ranks have an extent of 253 x 16 KiB, which is 4,048 KiB. The sieve's buffer is 512 KiB unless a hint says otherwise, and `ceil(4048 / 512)` is 8: for four ranks, 32. The
# two-phase buffer is 16 MiB, and one aggregator's domain is all 4 MiB: one call. The rules are exact for patterns that leave no holes in the whole, with MPICH on ordinary
# file systems. Here are your predictions:

# %%
lesson.compare("together")

# %%
lesson.compare("sieved")

# %% [markdown]
# ## 8. Try
#
# *2 minutes. Skip this if late: yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "The rules are a function. Ask it before you ask the machine: what does half the buffer do? What do three aggregators do? Then run it, and see whether it was right."
#
# </details><br>
#
# The rules are in `piotutor.twophase`, and it answers without a run: how many system calls will each rank make? Try three aggregators. Try a `cb_buffer_size` of
# 1000000. Then add `romio_cb_write=disable`: why do these collective calls look like the sieve?

# %%
from piotutor import twophase

twophase.writes(four)

# %% [markdown]
# Tools that look for slow I/O do it by counts as well: so many small requests, so many of them independent. Their limits are made for large jobs, here 1,000 requests; we lower
# two of them to 100. What would the verdict on `together` be?

# %%
pio.verdicts(pieces, small_count=100, independent_count=100)

# %% [markdown]
# ## 9. Run: a hint that is only echoed
#
# *2 minutes. Skip this if late: no, it takes a minute.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "We ask for four disks and for two aggregators. The file answers both, word for word. One of the two happened. An echo is not obedience: look at the driver, and count."
#
# </details><br>
#
# Which code of MPI-IO serves a file depends on its file system: this part is called a *driver*. Two hints now. `striping_factor=4` asks for a file that is spread over four
# disks. `cb_config_list=*:2` asks for two aggregators. In the picture, which of the two do you find?

# %%
wishes = shared.replace(hints="striping_factor=4,cb_config_list=*:2")
echoed = await lesson.watch(wishes, "echoed", views=("descent",))

# %%
lesson.hints("echoed")

# %%
lesson.compare("echo")

# %% [markdown]
# ## 10. Exercise: foretell the system calls
#
# *3 minutes. Skip this if late: do it together, on the screen.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "New numbers, same three rules. Pieces of 8 KiB, 128 a rank. Mind the extent: from the first byte of a rank to its last one, and then the piece ends. Who needs a calculator?"
#
# </details><br>
#
# Four ranks again, and a file of 4 MiB. But now each rank has 128 pieces of 8 KiB. How many system calls that write do all ranks make together,
#
# - `independent`: piece by piece, with `romio_ds_write=disable`;
# - `sieving`: with `ind_wr_buffer_size=262144`, which is 256 KiB;
# - `collective`: with `cb_config_list=*:2` and `cb_buffer_size=524288`, which is 512 KiB?
#
# <details><summary>Hint 1</summary>
#
# Use the three rules of step 7, one for each line. Sum over the ranks, or over the aggregators.
#
# </details>
# <details><summary>Hint 2</summary>
#
# From the first piece of a rank to its last there are 127 rounds of four pieces, and the last piece itself: 127 x 32 KiB + 8 KiB.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Sieving: `ceil(4072 / 256)` for each of four ranks. Collective: each of two aggregators has 2,048 KiB, and holds 512 at once.
#
# </details>

# %% tags=["exercise"]
calls = {"independent": ..., "sieving": ..., "collective": ...}
pio.check("07.pwrites", calls)

# %% tags=["solution"]
calls = {"independent": 4 * 128, "sieving": 4 * 16, "collective": 2 * 4}
pio.check("07.pwrites", calls)

# %% [markdown]
# Was the rule right? Let the machine count the last one:

# %%
small = shared.replace(block_size="8k", transfer_size="8k", segment_count=128)
two = small.replace(hints="cb_config_list=*:2,cb_buffer_size=524288")
proof = await lesson.watch(two, "proof", views=("descent",))

# %%
lesson.counts("proof")

# %% [markdown]
# ## 11. Exercise: repair a hint
#
# *2 minutes. Skip this if late: give it as homework.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Somebody wants four aggregators on this one node and writes cb_nodes=4. No error. The file answers cb_nodes=1, if you ask it, and nobody asks. What is missing?"
#
# </details><br>
#
# A colleague wants four aggregators on this one node, and gives the hint `cb_nodes=4`. There is no error; but only rank 0 writes. Give hints that work, as one text:
# `"name=value,name=value"`. The cell runs them, and the check looks at who wrote.
#
# <details><summary>Hint 1</summary>
#
# `cb_nodes` says how many aggregators there shall be at most. Something else says how many of them may sit on one node.
#
# </details>
# <details><summary>Hint 2</summary>
#
# It is in step 5. If it isn't given it is `*:1`: on any node, one.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `cb_config_list=*:4` allows four ranks of every node. You may keep `cb_nodes=4` beside it, or leave it out.
#
# </details>

# %% tags=["exercise"]
hints = ...
pio.check("07.hint", hints, await lesson.attempt(shared, hints=hints))

# %% tags=["solution"]
hints = "cb_nodes=4,cb_config_list=*:4"
pio.check("07.hint", hints, await lesson.attempt(shared, hints=hints))

# %% [markdown]
# ## 12. On a cluster
#
# *1 minute. Skip this if late: yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "One aggregator a node is a good start there, that is why it is the default. On Lustre the site's MPI has a driver that can lay out files and that cuts domains along the stripes. Set the
# layout with lfs, ask with lfs, and count."
#
# </details><br>
#
# With many nodes, one aggregator on each is a fair start. *Lustre*, the file system of many clusters, spreads a file in *stripes* over disks. (Lesson 05.) The MPI library of such
# a site often has a driver for it, with other file domains: count there, and don't trust our formulas. Set the layout on the directory, ask the file afterwards, and give hints
# through a file where the program takes none:
#
# ```
# lfs setstripe -c 4 -S 4M /scratch/me/run        # before the file is made
# lfs getstripe -c /scratch/me/run/array.dat      # what it really got
# echo "romio_cb_write enable" >> romio_hints; export ROMIO_HINTS=$PWD/romio_hints
# export MPICH_MPIIO_HINTS="*:romio_cb_write=enable:cb_nodes=8"   # on HPE Cray
# piotutor trace -- srun -n 64 ./simulation       # counts every layer of your own program
# ```
#
# Open MPI's MPI-IO is called *OMPIO*, and differs. With Open MPI 5.0.11 on the machine where this was written, the first run made 256 calls of `pwritev`, and so did the second: there is
# no sieve. The collective run made one call; with a `cb_buffer_size` of 256 KiB it made 32 of 128 KiB. Is Lustre here?

# %%
import shutil

shutil.which("lfs") or "no Lustre client on this machine"

# %% [markdown]
# ## Remember
#
# - What the program asks for and what the system gets are two things: count both.
# - Collective: the library sees everything, and many small requests become few large ones. Sieving: fewer calls, more bytes.
# - A hint echoed is not a hint obeyed: look at the driver, and count.
#
# ## Sources
#
# - The rules: derived from the algorithms in R. Thakur, W. Gropp, E. Lusk, "Data Sieving and Collective I/O in ROMIO" (1999); the numbers of this lesson are counted, in `tests/mpi/test_two_phase.py` for many
#   other patterns too. None are quoted from that paper.
# - Up to 33 times: M. Howison and others, "Tuning HDF5 for Lustre File Systems" (2010), of which the abstract was read. That tuning included more than this lesson.
# - The limits of the verdicts: Drishti (hpc-io/drishti-io).
# - The hints: ROMIO's user guide, MPICH's and Open MPI's own answers, and counts of their system calls on one machine.
#
# Next: [08, HDF5](08_hdf5.ipynb) · [All lessons](README.ipynb)
