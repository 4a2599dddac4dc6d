# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What did HDF5 do with my array?
#
# **Lesson 08 · HDF5 · 45 minutes**
#
# On Cori, a supercomputer in Berkeley, 128 processes wrote one HDF5 file at 323 MiB/s. One more property, set in one call before the file was made, and they wrote it at 636. The array was the same,
# and so was every line that wrote it.
#
# **What you will do.** You look into an HDF5 file, byte by byte, and move an array in it. You count what HDF5 reads when you ask for a part. Then four processes write
# together, and you find the one array for which they did not, although the program asked for it and no error was shown.
#
# **What you need.** This notebook. A *rank* is one of the processes of a parallel job, counted from 0. An *offset* is a place in a file: the number of bytes in front of it. (Lessons 00
# and 04 show both.) A *system call* is a request of a program to the *kernel*, the core of the operating system, such as read or write. *MPI-IO* is the part of MPI that deals with files.

# %%
import piotutor as pio

lesson = pio.Lesson("08")
lesson

# %% [markdown]
# ## 1. What is in an HDF5 file
#
# *3 minutes. Skip this if late: no, these are the words.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "HDF5 is a file system in a file. There are folders, called groups, and arrays, called datasets, and small notes, called attributes. All of that has to be written down somewhere in the same
# file: that is metadata. So a write to an array is never only a write to an array. And HDF5 decides what goes where."
#
# </details><br>
#
# *HDF5* is a file format for arrays, and the library that reads and writes it. *h5py* is its door to Python. In such a file there are arrays, each called a *dataset*, and small notes on
# them, each called an *attribute*: a unit, a date.
#
# Names, shapes, types, and the list of what lies where have to be in the file as well. All of this is *metadata*: data about the data. It is small, but
# without it nobody could find the arrays.
#
# HDF5 gives each thing its *address*: the offset at which it begins. You don't choose it. That is handy, and it has consequences.
#
# When a program writes through HDF5 in parallel, three layers lie between it and the file: HDF5 itself, MPI-IO, and the system calls. We watch all of them. If your
# HDF5 is one without MPI, or if its calls can't be recorded here, the lesson says so, and shows runs that were recorded elsewhere.
#
# ## 2. Predict
#
# *2 minutes. Skip this if late: no, but a show of hands is enough.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Four megabytes of numbers in a new file, nothing else asked for. Where do they begin? Byte zero? A nice round number? Or wherever there was room?"
#
# </details><br>
#
# Four ranks make a new HDF5 file, with one dataset of 4 MiB. (A *MiB* is 1,048,576 bytes.) Each rank writes one quarter of it. Your prediction is locked when the run begins.

# %%
lesson.predict("begin")

# %% [markdown]
# ## 3. Run: where the numbers begin
#
# *6 minutes. Skip this if late: show the two maps only.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Two kilobytes. That is all that stands in front of the array, and it is enough: each write of one megabyte now begins two kilobytes behind a boundary, and ends two kilobytes behind the next. On a striped file
# system two servers get a part of each. Ask for alignment, and HDF5 moves the array to a boundary. It costs one megabyte of nothing."
#
# </details><br>
#
# Watch the four ranks first. The picture is the *descent*: one lane for each layer, all over one axis, the offset in the file. The first piece seems to begin at 0. Does it?

# %%
plain = pio.Workload.make(api="HDF5", num_tasks=4, block_size="1m", transfer_size="1m", write=True, keep=True)
plain = plain.replace(test_file=str(lesson.scratch / "plain.h5"))
run = await lesson.watch(plain, "plain", views=("descent",))

# %% [markdown]
# Now look into the file that they left behind. The *address map* says of each byte what it is. Above is the whole file, from left to right. The thin black line at its left end is the metadata:
# the lens below shows it alone. (`Dataset-0000.0000` is the name of the array, as the benchmark IOR would give it; `/` is the root, the group of all.) The dashed lines stand at each MiB. Do
# the numbers begin at one?

# %%
lesson.h5map("plain", alignment="1m")

# %% [markdown]
# They don't. The address is whatever was free, and each rank's MiB crosses a dashed line. Why does that matter? Large file systems cut a file into *stripes*, and deal these out to many
# servers; 1 MiB is a common size. A write that crosses a line keeps two servers busy, and may have to wait for two locks. (Lessons 05 and 06 are about that.)
#
# *Alignment* is a wish to HDF5: let things begin at a multiple of this number. In C it is `H5Pset_alignment`, in h5py `alignment_interval`. Here each thing of at
# least 1 MiB is to begin at a multiple of 1 MiB. What will fill the space in front of the array?

# %%
aligned = plain.replace(alignment="1m", test_file=str(lesson.scratch / "aligned.h5"))
moved = await lesson.watch(aligned, "aligned", views=("descent",))

# %%
lesson.h5map("aligned", alignment="1m")

# %% [markdown]
# Now the lines fall between the ranks. Nothing fills the space in front: it is free, and the file has grown by it. This is the price.
#
# And what is it worth? On your own disk, nothing that you would notice: it has no stripes. On Cori, with 128 ranks, transfers of 1 MiB and Lustre below, this was published (mean MiB/s of four
# runs, and how much they spread):
#
# | stripes | without alignment | with | ratio |
# | --- | --- | --- | --- |
# | 1 | 323 (10) | 636 (56) | 1.97 |
# | 4 | 748 (25) | 1,272 (36) | 1.70 |
#
# ## 4. Run: a part of an array in chunks
#
# *6 minutes. Skip this if late: no, but skip the program's text.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Cut the array into tiles. HDF5 calls them chunks; each lies somewhere in the file, in one piece. Then whoever reads a part gets all the tiles that it touches, whole. So count tiles, not numbers. Four
# numbers at a corner: four tiles, half a megabyte."
#
# </details><br>
#
# An array may lie in the file row by row: such a dataset is *contiguous*. Or it is cut into tiles of equal shape, each of which is called a *chunk*. A chunk lies in one piece, and the chunks lie
# wherever there was room. An index in the metadata says where.
#
# A rectangular part of an array is called a *hyperslab*. Here is a program that writes an array in chunks, and then reads a hyperslab. It is an ordinary h5py program, one
# process, without MPI. Open it, and read its last line.

# %%
slab = lesson.program("slab")
slab

# %% [markdown]
# The array has 512 x 512 numbers of 8 bytes, in chunks of 128 x 128. The program reads rows 100 to 299 of columns 200 to 263. Draw it on paper: which tiles does
# that rectangle touch?

# %%
lesson.predict("touched")

# %%
part = await lesson.watch(slab, "slab", views=("descent",))

# %% [markdown]
# (HDF5's own lane is empty: a call on chunks has no one place in the file.)
#
# The map below has one more lane: each read of the run, in the order in which they were made, over the address that it read. Blue reads fetch data, the others metadata. What
# must HDF5 read before it can read the first chunk?

# %%
lesson.h5map("slab", op="read")

# %% [markdown]
# It asked for 102,400 bytes and got 6 chunks of 131,072 each: 7.7 times as much. This factor has a name, *amplification*.
#
# ## 5. Run: the same chunk, again and again
#
# *4 minutes. Skip this if late: yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "HDF5 keeps chunks that it has read, in a small cache. If a row of your array needs eight of them and the cache holds one, each row reads all eight again. Same program, same result, 64 times the bytes. One number
# in the call that opens the file cures it."
#
# </details><br>
#
# HDF5 keeps chunks that it has read in memory, in the *chunk cache*: one for each open dataset, 1 MiB unless you say otherwise (8 MiB in HDF5 2.0). In h5py its size is `rdcc_nbytes`. Now a program reads an array
# row by row: 64 rows, and each of them lies across 8 chunks. First its cache has 100,000 bytes. That is room for one chunk of 65,536.

# %%
lesson.predict("again")

# %%
narrow = lesson.program("rows", 100_000)
small = await lesson.watch(narrow, "small", views=("descent",))

# %% [markdown]
# The same with room for all of them. How many reads are left?

# %%
roomy = lesson.program("rows", 1_048_576)
large = await lesson.watch(roomy, "large", views=("descent",))
lesson.moves("small", "large", op="read")

# %% [markdown]
# The same 64 calls of HDF5, the same numbers, and 64 times as many bytes read. This is called *thrashing*. It is a trouble of single processes, and of files opened for reading only: when ranks share
# a file that is open for writing, HDF5 doesn't keep chunks at all (unless they are compressed), as other ranks may change them.
#
# ## 6. Run: alone or together
#
# *5 minutes. Skip this if late: show the table only.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Four ranks, each owns some columns. Alone: HDF5 hands each row's piece to MPI-IO as a call of its own, 256 calls for four writes. Together: four calls, and one system call for all. The program differs in one
# line: with dataset dot collective."
#
# </details><br>
#
# Back to four ranks. Each owns a quarter of the columns of one array, and writes them with one call of HDF5. The array lies row by row, so each rank's part lies in 64
# pieces. First each rank writes alone: this is *independent*. How many calls come out below?

# %%
separate = lesson.program("columns", ranks=4)
alone = await lesson.watch(separate, "alone", views=("descent",))

# %% [markdown]
# Now all ranks make the call together: this is *collective*. Then MPI-IO sees all pieces at once, and one rank can write them for everybody. (Lesson 07 shows how.) In h5py it is one line: `with
# dataset.collective:`.

# %%
joined = lesson.program("columns", "collective", ranks=4)
together = await lesson.watch(joined, "together", views=("descent",))
lesson.moves("alone", "together")

# %% [markdown]
# The table counts the calls that moved data, and leaves out those for metadata. Compare the column of the system calls: what does one word change?
#
# ## 7. Run: together, they thought
#
# *5 minutes. Skip this if late: no, this is what people get wrong.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Three arrays, three collective writes. In one of them the program has float32 numbers, and the file float64. HDF5 converts, that is what it is for. But in HDF5 1.10 it then can't write collectively any more. It writes alone, and
# it doesn't tell. No error, no warning, right numbers, 256 calls instead of one."
#
# </details><br>
#
# The next program writes three arrays, and asks for a collective write each time. In one of them the numbers in memory are `float32`, of 4 bytes, and those in the file `float64`, of 8. HDF5 converts them on the
# way. It is legal, and it is convenient.

# %%
trio = lesson.program("three", ranks=4)
trio

# %%
lesson.predict("broken")

# %%
three = await lesson.watch(trio, "three", views=("descent",))

# %% [markdown]
# ## 8. Look
#
# *2 minutes. Skip this if late: no.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Look at the lane of the file domains: two boxes, where one rank wrote for all. Between them, nothing. And below that gap: a fence of little writes. That gap is the array that wasn't collective."
#
# </details><br>
#
# - In the top lane the three arrays look alike: every rank, all along the file. (The third lies denser, as its numbers have 4 bytes.)
# - The lane *file domains* shows where one rank wrote for everybody. There is a gap. What lies below it?
# - The program printed nothing, and every number in the file is right.
#
# HDF5 knows why, but you have to ask (`H5Pget_mpio_no_collective_cause`). The recorder asked, after each call. What did HDF5 say? Don't look for the wish, look for what arrived at MPI-IO.

# %%
lesson.moves("three", by="dataset")

# %% [markdown]
# ## 9. Explain
#
# *3 minutes. Skip this if late: no.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Three rules. Where data lie: ask the file, and divide by the size of a stripe. How much is read: count the chunks along each side, and multiply. Whether it was collective: count what arrived, never what was asked for."
#
# </details><br>
#
# **Where it lies.** An array is aligned if **`address % alignment == 0`**: if nothing is left over. The address is read from the file, as it differs between versions of HDF5, and with what
# was made before.

# %%
lesson.compare("begin")

# %% [markdown]
# **How much is read.** Along each side of the array the chunks from the first touched to the last are read: **`last // chunk - first // chunk + 1`**. The two slashes divide and round down. The counts of all
# sides are multiplied. For our part: (299 // 128 - 100 // 128 + 1) x (263 // 128 - 200 // 128 + 1) = 3 x 2.

# %%
lesson.compare("touched")

# %% [markdown]
# And with a cache that is too small, each row reads all its chunks anew: rows x chunks across.

# %%
lesson.compare("again")

# %% [markdown]
# **Who wrote together.** A collective write of N ranks is N calls of MPI-IO, each marked collective. Fewer than that, and somebody wrote alone. HDF5 1.10 leaves collective writing when numbers are converted, and
# newer versions still do for some other reasons. So count what arrived.

# %%
lesson.compare("broken")

# %% [markdown]
# ## 10. Try
#
# *4 minutes. Skip this if late: yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Two surprises. Make an array in chunks with four ranks, write nothing, and HDF5 writes zeros for you: all of it. Say never, and it writes none. And metadata: 24 small arrays with notes, and the notes lie all over the file. Ask for a large metadata
# block, and they lie together."
#
# </details><br>
#
# **What does making an array cost?** Before a program writes, an array holds its *fill value*: 0, unless one is set. When ranks make chunks together, HDF5 gives all of them a place at once. Does it write the zeros as
# well? The program makes three arrays of 2 MiB, with `fill_time` set to `alloc`, `ifset` (which is the default) and `never`, and writes nothing into them. Which of them will cost nothing?

# %%
empty = lesson.program("fill", ranks=4)
fill = await lesson.watch(empty, "fill", views=("descent",))
lesson.moves("fill", by="dataset")

# %% [markdown]
# If your program writes every element anyway, `fill_time="never"` saves one whole write of the array. If it doesn't, whoever reads the rest gets what happened to be there.
#
# **Where do the notes lie?** A program makes 24 small arrays with 4 attributes each. HDF5 takes room for metadata in blocks, of 2 KiB by default (`meta_block_size`). When a block is
# full, the next one begins behind the data that came meanwhile. In how many pieces does the metadata lie, with 2 KiB and with 1 MiB?

# %%
notes = lesson.program("notes", 2048)
scattered = await lesson.watch(notes, "scattered", views=("descent",))
lesson.h5map("scattered")

# %%
block = lesson.program("notes", 1_048_576)
gathered = await lesson.watch(block, "gathered", views=("descent",))
lesson.h5map("gathered")

# %% [markdown]
# The program made 96 attributes. For each, HDF5 was called to look whether there is one of that name, to make it, and to write it. None of these calls reached the file at once: HDF5 keeps metadata in
# memory, and writes it in pieces, at the latest when the file is closed. So few pieces are few writes: the titles of the two descents count them all. HDF5's calls, by their kind:

# %%
lesson.calls("scattered")

# %% [markdown]
# ## 11. Exercise
#
# *5 minutes. Skip this if late: do the third one together.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "First: divide the two addresses by one mebibyte, what is left? Second: three parts of an array, paper and pencil, how many chunks? Third: which of the three arrays was written alone? Not from the program: from what arrived."
#
# </details><br>
#
# **Is it aligned?** For the files `plain` and `aligned`: what is left over when the address of the array is divided by 1 MiB? A map tells the address: `lesson.maps["plain"].address("Dataset-0000.0000")`.
#
# <details><summary>Hint 1</summary>
#
# Ask for the address first, and look at it. `lesson.maps["aligned"]` is the other map.
#
# </details>
# <details><summary>Hint 2</summary>
#
# What is left over by a division, Python gives with `%`. And 1 MiB is `2**20`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `lesson.maps["plain"].address("Dataset-0000.0000") % 2**20`, and the same for the other.
#
# </details>

# %% tags=["exercise"]
rest = {"plain": ..., "aligned": ...}
pio.check("08.address", rest, lesson)

# %% tags=["solution"]
rest = {name: lesson.maps[name].address("Dataset-0000.0000") % 2**20 for name in ("plain", "aligned")}
pio.check("08.address", rest, lesson)

# %% [markdown]
# **How many chunks?** An array of 512 x 512 numbers lies in chunks of 128 x 128. How many chunks does each of these read?
#
# - A: `array[127:129, 127:129]`, four numbers
# - B: `array[:, 300]`, one column
# - C: `array[0:129, :]`, the first 129 rows
#
# <details><summary>Hint 1</summary>
#
# Draw the 16 chunks. Their edges are at 128, 256 and 384. Python's `127:129` means rows 127 and 128.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Count along each side on its own, and multiply. Row 127 is the last of the first row of chunks, row 128 the first of the second.
#
# </details>
# <details><summary>Hint 3</summary>
#
# A is 2 x 2. B takes every row of chunks, and one column of them. C takes one row more than fits.
#
# </details>

# %% tags=["exercise"]
count = {"A": ..., "B": ..., "C": ...}
pio.check("08.chunks", count)

# %% tags=["solution"]
count = {"A": 2 * 2, "B": 4 * 1, "C": 2 * 4}
pio.check("08.chunks", count)

# %% [markdown]
# **Which one was written alone?** In the run `three`, for which array did ranks write independently, although the program asked for a collective write? Give its name in quotes. The check looks at the calls that
# reached MPI-IO. If all of them were collective, your HDF5 is a newer one, and the check says that it is inconclusive here.
#
# <details><summary>Hint 1</summary>
#
# The table in step 8 has a line for each array.
#
# </details>
# <details><summary>Hint 2</summary>
#
# "Asked to be collective" is the wish. The next two columns say what arrived.
#
# </details>
# <details><summary>Hint 3</summary>
#
# It is the one whose numbers in memory and in the file aren't of the same type. In the program, `ARRAYS` names the type in the file and then the one in memory.
#
# </details>

# %% tags=["exercise"]
name = ...
pio.check("08.collective", name, lesson)

# %% tags=["solution"]
name = "temperature"
pio.check("08.collective", name, lesson)

# %% [markdown]
# Give the disk back what you borrowed:

# %%
lesson.clean()

# %% [markdown]
# ## 12. On a cluster
#
# *2 minutes. Skip this if late: yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Ask the file system for its stripe size, and give HDF5 the same number as its alignment. Make the memory type the file type. And then measure with piotutor trace, on your own program: what arrived?"
#
# </details><br>
#
# There, alignment has to be the size of a stripe, and you have to ask for it. On Lustre, a file system of many clusters, `lfs` tells the size, and sets it for a new file:
#
# ```
# lfs setstripe --stripe-size 1m --stripe-count 4 result.h5
# lfs getstripe --stripe-size result.h5
# ```
#
# In h5py both wishes stand in the call that makes the file: `h5py.File("result.h5", "w", driver="mpio", comm=comm, alignment_threshold=2**20, alignment_interval=2**20)`. The first number says from which size on things are
# aligned: small ones should not be, or the file fills with gaps.
#
# What your own program does with its files, on each layer, is recorded with
#
# ```
# piotutor trace -n 4 -- python my_program.py
# ```
#
# and `pio.h5map("result.h5", alignment="1m")` draws the map of any HDF5 file. Is there a Lustre here?

# %%
import shutil

shutil.which("lfs") or "no Lustre client on this machine"

# %% [markdown]
# ## Remember
#
# - HDF5 decides where things lie. Ask the file for the address; for alignment ask HDF5.
# - A part of an array costs all the chunks that it touches. Count along each side, and multiply.
# - Collective is a wish. Count the calls that arrived at MPI-IO: one conversion of numbers, and HDF5 1.10 writes alone, without a word.
#
# ## Sources
#
# - Alignment on Cori: radix-io/hands-on, benchmarking: IOR with its HDF5 interface, 128 ranks, transfers of 1 MiB, four repetitions. The ratios are ours.
# - What each byte is: the HDF5 File Format Specification, version 3.0. Addresses are those of your own file.
# - When collective writes become independent: HighFive, pull request 623, and HDF5's documentation of `H5Pget_mpio_no_collective_cause`. That conversion keeps them collective in newer versions: HDFGroup/hdf5, pull request
#   2418, and the release notes of 1.14.2, in which what it needs became the default. We haven't tried that; with HDF5 1.10.8 we have.
# - Chunks that aren't kept in parallel: HDF5's source, `H5D__chunk_cacheable`, read in excerpts. When fill values are written was recalled, and then counted here, with HDF5 1.10.8: for chunks also by default.
#   The contiguous arrays of steps 6 and 7 got no zeros.
# - The default size of the chunk cache: asked of HDF5 1.10.8 and 2.0.
#
# [All lessons](README.ipynb)
