# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What did you measure?
#
# **Lesson 01 · The memory in front of the disk · 25 minutes**
#
# A published tutorial lets 64 processes read 16 GiB at 254,017 MiB/s. One option later the same files come at 6,644, and nothing
# about the disks has changed.
#
# **What you will do.** You write 64 MiB in three ways and read them in two. You watch where the bytes are at each moment: in memory, or on the device.
# Then you tell four runs apart by what they left behind, and you find two published figures that no disk can have given.
#
# **What you need.** This notebook. Up to 128 MiB of disk are used for a minute, and given back. What this machine can't
# show, the lesson says.

# %%
import piotutor as pio

lesson = pio.Lesson("01")
lesson

# %% [markdown]
# ## 1. Predict
#
# *3 minutes. Skip this if late: no, but a show of hands is enough.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Your program wrote 64 MiB, every call came back, no error. How much of it must be on the disk? All of it? Who would bet the thesis on that? The honest answer
# is: none of it need be. Write is a copy into memory. Whoever wants it on the disk has to say so."
#
# </details><br>
#
# Between your program and the disk stands the *kernel*, the core of the operating system. A *write* hands bytes to the kernel. A *read* asks
# it for bytes. The kernel keeps what passes through in spare memory, in pieces called *pages* (often 4 KiB each). All those pages
# together are the *page cache*.
#
# The *device* is the disk itself, or what the machine takes for one. Think of the page cache as a tank in front of it: your program fills the tank,
# and the device drains it. So there are two speeds, and you have to know which of them you timed.
#
# Now choose. Your prediction is locked when the run begins.

# %%
lesson.predict("returned")

# %% [markdown]
# The second question is about reading. You read back a file that you have just written. Give a number: how many MiB of it come out of memory?

# %%
lesson.predict("warm")

# %% [markdown]
# ## 2. Run: write
#
# *5 minutes. Skip this if late: run the first of the three, and show the picture of the second.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Three ways to write the same 64 MiB. Plain: the tank is full of dirty pages when the last write returns. With fsync: the job waits until
# the device has them all. With O_DIRECT: there is no tank at all. Same bytes, three different experiments. A benchmark that doesn't say which one it made has
# said nothing."
#
# </details><br>
#
# First the plain way, *buffered*: the ranks write, close the file, and go. Nobody asks for the device. The file is kept (`keep`) in a
# directory of this lesson, as we want to read it later.
#
# In the picture, the black line is what the application has written. The area below it is the tank: how much is at the device, and how much is in memory
# only. A page that is in memory and not yet on the device is *dirty*. The lane below is the file: what of it is in memory, dirty or *clean*. How
# dirty will the tank be when the last write returns?

# %%
file = str(lesson.scratch / "tank.dat")
plain = pio.Workload.make(num_tasks=4, block_size="16m", transfer_size="1m", write=True, keep=True, test_file=file)
buffered = await lesson.watch(plain, "buffered", views=("tank",))

# %% [markdown]
# Now the same job with one more wish. `fsync` is the call that returns only when the device has said that it holds every byte of the file. What it has
# confirmed is *durable*: a power cut would not lose it. What will the tank look like when the job is over?

# %%
synced_job = pio.Workload.make(num_tasks=4, block_size="16m", transfer_size="1m", write=True, fsync=True)
synced = await lesson.watch(synced_job, "synced", views=("tank",))

# %% [markdown]
# The third way goes around the tank. `O_DIRECT` is an option of the call that opens a file: move the bytes between the program and the device, and
# leave the page cache out. Not every file system offers it. How much of the file will be in memory this time?

# %%
direct_job = pio.Workload.make(num_tasks=4, block_size="16m", transfer_size="1m", write=True, direct_io=True)
direct = await lesson.watch(direct_job, "direct", views=("tank",))

# %% [markdown]
# ## 3. Run: read it, and read it again
#
# *4 minutes. Skip this if late: no, this is the point.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "We read the file that we have just written. The device sits still: every byte comes out of memory. Then we throw the file out of memory, look whether it is
# really gone, and read again. Now the device works. The program was the same, the file was the same. Only the past was different."
#
# </details><br>
#
# The plain file is still there, and so are its pages. The share of a file that is in memory is its *residency*. A read of a resident file is *warm*.
# The next job reads the whole file. What will the device have to do?

# %%
read = pio.Workload.make(num_tasks=4, block_size="16m", transfer_size="1m", read=True, test_file=file)
warm = await lesson.watch(read, "warm", views=("tank",))

# %% [markdown]
# To *evict* a file is to put its pages out of memory. The kernel may decline, so we look afterwards: only what was seen to be gone is called
# gone. A read after that is *cold*. How many bytes of the file do you expect to be left in memory?

# %%
lesson.evict(file)

# %% [markdown]
# And the same read once more. Compare the device's line with that of the warm read. Why was it flat then, and why isn't it now?

# %%
cold = await lesson.watch(read, "cold", views=("tank",))

# %% [markdown]
# ## 4. Look
#
# *3 minutes. Skip this if late: yes, if the table is on the screen.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Don't look at the speed at all. Look at three things: how often did anybody call fsync, what passed at the device, and how much of the file is in memory. These three
# tell the experiments apart, on any machine, fast or slow."
#
# </details><br>
#
# The table holds what each run left behind. No speed is in it, on purpose. Speeds differ from machine to machine, and lie easily.
#
# - Compare `buffered` with `synced`: the ranks wrote the same number of bytes. One of the two runs knows that they are safe.
# - Compare `synced` with `direct`: the device got everything in both. One file stayed in memory, the other never was there.
# - Compare `warm` with `cold`: the ranks read the same bytes. Only one of them asked the device.
#
# The device's counters count for everybody. If another program used the disk meanwhile, they show more than our share. "Unknown here" means that this
# machine doesn't tell: in a container, often.

# %%
lesson.evidence("buffered", "synced", "direct", "warm", "cold")

# %% [markdown]
# ## 5. Explain
#
# *3 minutes. Skip this if late: no.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Written equals dirty plus stored. Right after a plain write nearly all of it is dirty. After an fsync nothing is. So a bandwidth is a number of bytes, divided by a time, up to
# a certain point: the return of write, or the return of fsync. Say which."
#
# </details><br>
#
# For a file that is written through the page cache, at each moment: **`written = dirty + stored`**. *Stored* is what the device has. A plain write moves the left
# side. The kernel moves bytes from dirty to stored later, when it likes: this is *writeback*. An fsync waits until dirty is 0.
#
# Reading is the same in reverse: **`read by the ranks = found in memory + read by the device`**. After a write, all of it is found in memory. (The kernel may
# also fetch more than you asked for, ahead of you. That is *readahead*.)
#
# So "bandwidth" means nothing until you say between which two moments. Here are your predictions:

# %%
lesson.compare("returned")

# %%
lesson.compare("warm")

# %% [markdown]
# ## 6. Try
#
# *2 minutes. Skip this if late: yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Two knobs. With fsync after every write each call waits for the device: count the syncs. And with a block of 1 MiB a rank, even the slowest disk looks quick: a small file fits
# into every cache there is."
#
# </details><br>
#
# Let each write be followed by an fsync of its own (`fsync_per_write`). How many calls of fsync will there be in all? Count before you run: 4
# ranks, blocks of 4 MiB, calls of 1 MiB. Then set `transfer_size="4m"`. What changes, and what doesn't?

# %%
careful = pio.Workload.make(num_tasks=4, block_size="4m", transfer_size="1m", write=True, fsync_per_write=True)
each = await lesson.watch(careful, "careful", views=("tank",))
lesson.evidence("careful")

# %% [markdown]
# ## 7. Exercise: four runs without a label
#
# *4 minutes. Skip this if late: do it together, on the screen.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Four runs, shuffled, nobody knows which is which, not even me. Each wrote 16 MiB and read them back. No speeds. Start with the one that left nothing in memory. Then look
# who called fsync. Of those two, whose device had to read?"
#
# </details><br>
#
# The next cell makes four runs, and shuffles them. Each writes 16 MiB and then reads them back:
#
# - `buffered`: plain write, plain read;
# - `fsync`: write, fsync, plain read;
# - `direct`: both past the page cache;
# - `evicted`: write, fsync, throw the file out of memory, read.

# %%
blind = await lesson.blind()
blind

# %% [markdown]
# Give each letter its label, in quotes. The check judges by residency, syncs and the device's bytes, never by a speed. Where your machine doesn't tell,
# it says that it is inconclusive here.
#
# <details><summary>Hint 1</summary>
#
# One run left nothing of its file in memory, although it wrote and read all of it.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Two of the other three called fsync. That says that the device has the bytes. It doesn't say that memory has forgotten them.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Of the two with fsync, the evicted one had to read its 16 MiB from the device. What is left has neither.
#
# </details>

# %% tags=["exercise"]
labels = {"A": ..., "B": ..., "C": ..., "D": ...}
pio.check("01.labels", labels, blind)

# %% tags=["solution"]
# Nothing in memory: direct. No fsync: buffered. The device read it all: evicted. The one left: fsync.
# Your letters are others than your neighbour's; this looks them up.
labels = blind.truth
pio.check("01.labels", labels, blind)

# %% [markdown]
# ## 8. Exercise: the impossible figure
#
# *3 minutes. Skip this if late: give it as homework.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Two published tables, made by people who know their trade. In each, one number can't be the disks. How can you tell, without having been there? By its neighbours: what should
# hardly matter changes it manifold, or nothing else comes near it."
#
# </details><br>
#
# **A. ARCHER**, the highest write rates that were measured there, in MiB/s (benchio and IOR; Lustre). *Stripes* are the pieces in which a file is dealt out to
# many disks: lesson 05.
#
# | what was written | 24 writers | 768 | 1,536 | 12,288 |
# | --- | --- | --- | --- | --- |
# | a file for each process, 1 stripe | 5,928 | | 11,930 | 12,326 |
# | one shared file, all stripes | 738 | 16,144 | 16,434 | 6,024 |
#
# | IOR on the same machine | MiB/s |
# | --- | --- |
# | one shared file, 1 stripe, 128 clients | 683 |
# | one shared file, 4 stripes, 128 clients | 8,360 |
# | one shared file, all stripes, 128 clients | 5,811 |
# | a file for each process, all stripes | 81,236 |
#
# **B. A tutorial**: IOR, 64 ranks, 16 GiB, mean MiB/s. The option `-F` means a file for each process, `-C` that each rank reads what a rank on *another* node
# wrote, and `-e` an fsync.
#
# | options | write | read |
# | --- | --- | --- |
# | (shared file) | 416 | 13,433 |
# | `-F` | 10,887 | 254,017 |
# | `-F -C` | 12,946 | 6,644 |
# | `-F -C -e` | 11,963 | 2,292 |
# | `-C -e` | 416 | 1,479 |
# | `-C -e`, 8 stripes | 2,136 | 4,209 |
#
# Which one figure of each do you believe least? Write them as plain numbers, without commas.
#
# <details><summary>Hint 1</summary>
#
# Look for the figure without a neighbour: nothing else in its table comes near it.
#
# </details>
# <details><summary>Hint 2</summary>
#
# In B, `-C` changes nothing about the disks. It only makes each rank read on a node that doesn't have the data in memory.
#
# </details>
# <details><summary>Hint 3</summary>
#
# In A it is in the last line. In B it is a read, and it falls 38-fold with `-C`.
#
# </details>

# %% tags=["exercise"]
figures = {"archer": ..., "tutorial": ...}
pio.check("01.published", figures)

# %% tags=["solution"]
figures = {"archer": 81236, "tutorial": 254017}
pio.check("01.published", figures)

# %% [markdown]
# Give the disk back what you borrowed:

# %%
lesson.clean()

# %% [markdown]
# ## 9. On a cluster
#
# *2 minutes. Skip this if late: yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "On a cluster there is a tank on every node, and more of them in the servers. So: write more than the nodes have memory, read on another node than the one that wrote, and sync. In
# IOR these are a large block, -C and -e. Two letters, and the number means something."
#
# </details><br>
#
# Each node has a page cache of its own, and the servers behind the file system have theirs. Benchmarkers defend themselves with three options of IOR,
# and piotutor takes the same ones:
#
# ```
# srun --ntasks=64 ior -w -r -F -C -e -b 4g -t 1m -o /scratch/me/file
# ```
#
# Here `-e` asks for the fsync, and `-C` lets another node read. A block `-b` so large that all nodes' memory can't hold it takes care of the rest. On Lustre, a file
# system of many clusters, `lfs` tells about it. Is it here?

# %%
import shutil

shutil.which("lfs") or "no Lustre client on this machine"

# %% [markdown]
# ## Remember
#
# - Written is not stored: a plain write is a copy into memory. Only fsync (or O_DIRECT with it) waits for the device.
# - The bandwidth of a warm read says nothing of the device.
# - Judge by counts: device bytes, residency, syncs. Then look at the clock.
#
# ## Sources
#
# - Table A: benchio and IOR on ARCHER, the CSV files of the repository ARCHER-CSE/parallel-io. Nothing is known of how 81,236 came about; that it was memory is
#   our conclusion.
# - Table B: radix-io/hands-on, benchmarking. There `-e` hardly changed the writes with `-F`; in the tutorial of IOR's own documentation it did. So promise no direction.
# - The page cache: the Linux manual pages write(2), fsync(2), open(2), posix_fadvise(2), mincore(2).
#
# Next: [04, The language of patterns](04_the_language_of_patterns.ipynb) · [All lessons](README.ipynb)
