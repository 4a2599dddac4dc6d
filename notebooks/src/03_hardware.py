# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What does one small write cost?
#
# **Lesson 03 · The hardware · 30 minutes**
#
# Four storage servers keep their data so that one of them may be lost. They were given 16 writes of 4 KiB, 64 KiB in all, and they wrote 1,024 KiB. Nothing was broken: it is what
# they always do, and you will count it yourself.
#
# **What you will do.** You look into three kinds of storage that can't be opened while they work: a disk with an arm, flash, and an array of disks. Each makes more of a small write than you
# asked for, and each for a reason of its own. Then you let real servers write, and count.
#
# **What you need.** This notebook. A *KiB* is 1,024 bytes, a *MiB* 1,048,576, and a ms (millisecond) a thousandth of a second. An *offset* is a place in a file: the number of bytes in front of it. A *rank* is
# one process of a parallel job. Here there is only one, rank 0, since hardware makes work of a single one's writes, too.
#
# Pictures whose corner says *modelled* are arithmetic. There are no such disks here, so a model serves the requests, step by step. Where it says *measured*, it happened.

# %%
import piotutor as pio

lesson = pio.Lesson("03")
lesson

# %% [markdown]
# ## 1. Predict: an arm
#
# *3 minutes. Skip this if late: no, but a show of hands is enough.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "A disk is a record player. The arm goes to the right groove, then you wait until the right place comes round, and then the music plays. How much of the time is music? Hands, please: sixty-four small
# pieces from all over the record, or one piece sixty-four times as long. The same music. How many times longer?"
#
# </details><br>
#
# A disk keeps its bytes on a turning *platter*, in circles. An *arm* carries the head that reads and writes them. All the circles that the arm reaches without moving are a *cylinder*. A request
# has to wait for four things: for the disk's own electronics (the *controller*), for the arm, which is called a *seek*, for the right place to come round (the *rotation*), and at last for the bytes themselves.
#
# Our disk is an HP 97560. It is an old one, described in 1994, and slow in everything. But how long its arm takes was measured and published, to a hundredth of a ms. What follows
# holds for each disk with an arm, with other figures. Your predictions are locked when the run begins that answers them.

# %%
lesson.predict("arm")

# %% [markdown]
# ## 2. Run: the same bytes in three ways
#
# *4 minutes. Skip this if late: run the first two, and play the disk.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "One process writes, and after each record it waits until the disk has it. This is real, on my machine. Now I give the same offsets to a disk whose arm we know. Look at the colours of the bars: red is the arm,
# yellow is waiting for the platter, blue is bytes. You paid for the blue."
#
# </details><br>
#
# A short program writes 64 records of 4 KiB, and waits after each one until the disk has it. First to places all over a file of 1 GiB, which are 1,024 MiB. (The file is nearly all hole: what was never written takes
# no room.) In the picture each dash is one call, from left to right in time. How far is it from one to the next?

# %%
apart = lesson.program("hops", "scattered", 1024, file="records.dat")
scattered = await lesson.watch(apart, "scattered", views=("access_map",))

# %% [markdown]
# Then the same 64 records one behind the other, and at last all of them in one call of 256 KiB:

# %%
inline = lesson.program("hops", "ordered", 1024, file="records.dat")
ordered = await lesson.watch(inline, "ordered", views=("access_map",))

# %%
whole = lesson.program("hops", "together", 1024, file="records.dat")
together = await lesson.watch(whole, "together", views=("access_map",))

# %% [markdown]
# Now the model. It takes the offsets of these three runs, call by call, as if the file began where the disk begins. Press play, or drag the slider: each step is one request of `scattered`. On the right is the platter
# from above: how far the arm goes (red), how far the platter turns until the place is there (yellow), and the bytes (blue). The sum below it has the parts in the order of the legend. At the bottom is the way of the
# arm. Which colour is the longest, in each of the three bars?

# %%
hardware = lesson.hardware
hardware.disk("scattered", "ordered", "together")

# %%
lesson.compare("arm")

# %% [markdown]
# ## 3. Predict, and run: flash
#
# *4 minutes. Skip this if late: play the picture, ask nothing.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "No arm, nothing turns. But flash can't overwrite. It writes pages, and erases blocks of hundreds of pages. So a new version goes elsewhere, the old one is dead, and one day somebody has to clean up: the
# living move out, then the house is torn down. The fuller the houses, the more removals."
#
# </details><br>
#
# *Flash* has no arm. What makes it special is that it can't overwrite. It is written in *pages*, often of some KiB. But a page can be written again only after it was erased, and only a whole *erase block* of many pages can be
# erased. So the new version of a page goes elsewhere. The old one is *dead*; a page that still counts is *live*.
#
# When there is hardly an empty block left, the device empties one. It takes the block with the most dead pages, moves the live ones to another place, and erases it. This is *garbage collection*. The moves are
# writes that nobody asked for. All pages written, divided by those that the user wrote, are the *amplification*.
#
# It needs room to work in, so there are more pages than the user sees. *Overprovisioning* says how many: 0.1 means eleven pages for ten.

# %%
lesson.predict("spare")

# %% [markdown]
# A small flash, long in use, with 0.1 to spare: each line is a block of twelve pages. Blue is live, a cross is dead, white is empty. Each step is one write of the user for which blocks had to be emptied; they have a frame.
# On the left is how it was before, in the middle after it: most of the emptied blocks are full again, with the pages that had to move. How many crosses do you find in all the frames on the left? So much room is won, and no
# more. On the right the amplification of a large flash, beside the published curve.

# %%
hardware.flash(0.1)

# %%
lesson.compare("spare")

# %% [markdown]
# ## 4. Predict, and run: parity
#
# *3 minutes. Skip this if late: play the picture, ask nothing.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Disks die, so somebody adds parity: one disk more, and any one may go. Whoever writes everything anew writes the parity along, and all is well. But whoever changes four KiB in the middle? The parity has to
# change, too, and nobody knows it by heart. So it is read, and the old data with it. A write that reads."
#
# </details><br>
#
# The more disks a system has, the sooner one of them fails. So several of them form an array, a *RAID*. The simplest keeps all twice: a *mirror*. A cheaper one deals the file out in chunks, and adds one more for each *stripe* of
# chunks: the *parity*. It is made so that any one chunk can be worked out from all the others. RAID 5 has one parity for a stripe, RAID 6 has two, and survives two losses.
#
# The parity is made of all the data of its stripe. If one of them changes, it has to change as well:

# %%
lesson.predict("parity")

# %% [markdown]
# Three steps: how data and parity lie; what is read first (1); what is written then (2). Why are the other three disks left in peace?

# %%
hardware.array(5, disks=5, offset="64k", length="4k")

# %%
lesson.compare("parity")

# %% [markdown]
# ## 5. Predict, and run: real servers
#
# *5 minutes. Skip this if late: show the table of the next step only.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Enough of models. These are four real servers, the programs that run in computing centres, and they count what they store. Sixteen writes of four KiB. Who says eighty-five KiB? Who says more? Then the records of
# a famous benchmark: forty-seven thousand and eight bytes. Somebody fills them up with zeros. Is that waste?"
#
# </details><br>
#
# In a file system of many servers the same is done with servers instead of disks, and called *erasure coding*. The next cell starts a real one on this machine: Ceph, with four servers (an *OSD* is such a server). It takes some
# seconds, needs no special rights, and ends with the lesson. Each stripe has three chunks of data and one of parity (`3+1`), of 16 KiB each, each on another server. If it
# can't be had here, the cell says so, and you see runs that were recorded.

# %%
servers = await lesson.servers(4, code="3+1")
servers

# %%
lesson.predict("coded")

# %% [markdown]
# After each write comes an *fsync*, the call that returns only when the servers have all of it. (Lesson 01 is about that.) One strip for each server, over time. Does any of them stay dark, because its chunk
# didn't change?

# %%
bits = pio.Workload.make(num_tasks=1, transfer_size="4k", block_size="64k", write=True, fsync_per_write=True)
small = await lesson.watch(bits, "small", storage=servers.storage, views=("targets",))

# %%
lesson.compare("coded")

# %% [markdown]
# Now larger ones. IO500, a list that compares the storage of the largest machines, has a test with records of 47,008 bytes: awkward on purpose. A stripe of our servers has three chunks of data, 49,152 bytes. Somebody has the idea to
# fill each record up with 2,144 zeros. Waste?

# %%
lesson.predict("padded")

# %%
awkward = bits.replace(transfer_size="47008", block_size="47008", segment_count=16)
records = await lesson.watch(awkward, "records", storage=servers.storage, views=("targets",))

# %%
filled = bits.replace(transfer_size="48k", block_size="48k", segment_count=16)
padded = await lesson.watch(filled, "padded", storage=servers.storage, views=("targets",))

# %%
lesson.compare("padded")

# %% [markdown]
# ## 6. Look
#
# *2 minutes. Skip this if late: show the first table.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Don't look at a clock. Stripes touched, times sixty-four KiB: this is what the servers wrote, to the byte. The small ones cost sixteen for one, the awkward ones nearly three, and those that fit a third more than nothing at
# all. The zeros have paid for themselves."
#
# </details><br>
#
# One line for each run: what was asked for, how many stripes the writes touched, what the rule foretells, and what the servers counted themselves.
#
# - The same stripe counts again for each write that touches it. Why does `records` touch 31 with 16 writes?
# - Multiply stripes by 64 KiB: four chunks of 16 KiB. Is it what the servers counted?
# - `padded` asked for more bytes than `records`. Who wrote more?

# %%
hardware.written("small", "records", "padded")

# %% [markdown]
# And the three runs of the beginning. The fourth column is your own machine's time, measured. The last two are the model's: our disk of 1994, and one of 2018. These are three different disks, so don't expect them
# to agree.
#
# What `scattered` costs here is inconclusive. Below your file there may be an arm, or flash, or a disk of another machine that is reached through a network, and memory in front of each of them. From outside nobody can
# tell: on the machine where this was written `scattered` took longer than `ordered` in 16 of 22 tries, and less in the other six. The offsets are the same everywhere, and so is what the model makes of them.

# %%
hardware.times("scattered", "ordered", "together")

# %% [markdown]
# ## 7. Explain
#
# *4 minutes. Skip this if late: no.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Three formulas, one sentence each. The arm: a price for each request, and a small one for bytes. Flash: one over the dead share of the block that is emptied. Parity: the change in the data is the change in the parity, so
# two reads and two writes. And one cure for all three: write large, and write where a stripe begins."
#
# </details><br>
#
# **The arm.** **`time = controller + seek + rotation + bytes / rate`**. Only the last part grows with the bytes. On this disk the controller takes 2.2 ms, half a turn 7.5 ms, and a seek over `d` cylinders 3.24 + 0.4 √d ms (from 384 on,
# 8 + 0.008 d). And 4 KiB take 1.7 ms. `ordered` pays no seek at all. But as each record waits for the one before, its place has just gone by, and it has to wait for nearly a whole turn. (A disk that uses a memory of its own
# is spared this. You will try one.)
#
# **Flash.** If a share `u` of the pages of an emptied block is live, then emptying it costs `u` and wins `1 - u`. So **`amplification = 1 / (1 - u)`**: 2 for a block half full, 10 for one nine tenths full. How full the emptiest
# blocks are depends on the spare room. For random pages it is published: `u = exp(-(1 + spare) (1 - u))`. This is the curve.
#
# **Parity.** Bit by bit, the parity says whether the number of ones in the chunks is odd. Python's sign for it is `^`. With chunks 5, 3 and 6 it is `5 ^ 3 ^ 6`, which is 0. Now the 3 becomes a 7. Without reading the 5 and the 6:
# **`new parity = old parity ^ old data ^ new data`**, `0 ^ 3 ^ 7`, which is 4. And `5 ^ 7 ^ 6` is 4 as well. So two are read and two are written, however many disks there are: this is *read-modify-write*. To read the other
# chunks and make the parity anew is *reconstruct-write*. An array takes whichever is cheaper. Whoever writes a *full stripe* needs to read nothing.
#
# **The coded pool.** **`written = stripes touched x 4 x 16 KiB`**. These servers write whole stripes, changed or not.

# %%
5 ^ 3 ^ 6, 0 ^ 3 ^ 7, 5 ^ 7 ^ 6

# %% [markdown]
# ## 8. Try
#
# *3 minutes. Skip this if late: yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Four knobs. Keep the arm within sixteen MiB: it still has to start and stop, and the platter doesn't care. Take a disk of twenty-four years later: bytes have become eighty times cheaper, a turn not even two times. Give the flash half as much again: the collection has nearly nothing to do. And give the array all
# that belongs together: no reads."
#
# </details><br>
#
# **Seek distance.** The same 64 records, at random, but all within the first 16 MiB. Which part of the bar shrinks, and which stays? And one thing that surprises most: is it slower than `ordered`?

# %%
close = lesson.program("hops", "scattered", 16, file="records.dat")
near = await lesson.watch(close, "near", views=("access_map",))
hardware.disk("near", "scattered", "ordered")

# %% [markdown]
# It isn't, on this disk: a random place comes round after half a turn in the mean, but the place that has just gone by only after a whole one. So to write in order isn't enough here. It has to be in one call.
#
# **A disk of 2018.** 7,200 turns a minute instead of 4,002, and 4 KiB pass below the head in 0.02 ms, not in 1.7. It has a memory, too: where a request ended it goes on by itself, so that the next one in line finds its
# place waiting. How much did `ordered` gain by that, and how much `scattered`? What is left of the blue?

# %%
hardware.disk("scattered", "ordered", "together", disk="hc310")

# %% [markdown]
# A file of 1 GiB is a small corner of its 6 TB, so the arm hardly moves. And still 64 scattered records take 25 times as long as one call. Bytes have become cheap. Requests have not.
#
# **Overprovisioning.** With 0.5, fifteen pages for ten. How many live pages are left in a block when it is emptied?

# %%
hardware.flash(0.5)

# %% [markdown]
# **A full stripe.** One write of 256 KiB that begins where a stripe begins. How many reads? Then let it begin 32 KiB later, with `offset="32k"`: what happens?

# %%
hardware.array(5, disks=5, length="256k")

# %% [markdown]
# ## 9. Exercise: what flash really writes
#
# *3 minutes. Skip this if late: do it together, on the screen.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "A flash with three tenths to spare, long in use. It has counted three things. Divide two of them: how many pages were written for one of the user's? Then divide two others: how full were the blocks that were torn down?"
#
# </details><br>
#
# A larger flash, of 1,024 blocks, with 0.3 to spare. Eight times its own size was written to it at random, so that it is in its stride. From then on it was counted:

# %%
counted = hardware.count()
counted

# %% [markdown]
# What is the amplification? And which share of the pages of a block was still live when it was erased? Numbers with two decimals will do, or let Python divide: `counted.written`, `counted.moved`, `counted.erased`.
#
# <details><summary>Hint 1</summary>
#
# All pages that were written to the flash are the user's and those that were moved.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The pages of all erased blocks are `counted.erased * 256`. How many of these were live, and so had to be moved?
#
# </details>
# <details><summary>Hint 3</summary>
#
# (written + moved) / written is the first. The second is moved / (written + moved), which is the same as moved / (erased x 256).
#
# </details>

# %% tags=["exercise"]
answer = {"amplification": ..., "live share": ...}
pio.check("03.flash", answer, counted)

# %% tags=["solution"]
every = counted.written + counted.moved
answer = {"amplification": every / counted.written, "live share": counted.moved / (counted.erased * 256)}
pio.check("03.flash", answer, counted)

# %% [markdown]
# ## 10. Exercise: what an array really does
#
# *3 minutes. Skip this if late: give it as homework.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Eight disks, two parities, four KiB. Then three disks, where the cheap way is another one. And then the question that buyers forget to ask: how many small writes does the whole array do in a second?"
#
# </details><br>
#
# 4 KiB are overwritten. How many operations on disks is this in RAID 6 with 8 disks? How many in RAID 5 with only 3 disks, if the array takes the cheaper way? And an array of 8 disks in RAID 5, of which each does 100
# operations a second: how many random writes of 4 KiB does it do in a second?
#
# <details><summary>Hint 1</summary>
#
# RAID 6 has two parities in each stripe. Both are made of all its data.
#
# </details>
# <details><summary>Hint 2</summary>
#
# With 3 disks a stripe has two chunks of data and one of parity. One chunk is new. If you know the other one, you know the parity.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Three are read and three are written. One is read and two are written. And 800 operations a second, four for each write.
#
# </details>

# %% tags=["exercise"]
answer = {"RAID 6, 8 disks": ..., "RAID 5, 3 disks": ..., "writes/s": ...}
pio.check("03.small", answer)

# %% tags=["solution"]
answer = {"RAID 6, 8 disks": 6, "RAID 5, 3 disks": 3, "writes/s": 8 * 100 // 4}
pio.check("03.small", answer)

# %% [markdown]
# Several arrays side by side, and what the model counts for each (when you have answered):

# %%
hardware.arrays()

# %% [markdown]
# Stop the servers, and give the disk and the memory back:

# %%
lesson.clean()

# %% [markdown]
# ## 11. On a cluster
#
# *1 minute. Skip this if late: yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "You can't choose the disks. You can choose the size of your writes and where they begin. Ask what a full stripe is, and write multiples of it."
#
# </details><br>
#
# What is below can be asked for. On a Linux machine with disks of its own the first line says which of them claim to have an arm (`ROTA`), and which sizes of requests they like. `OPT-IO` of an array made by Linux is its full
# stripe. The others are for arrays made by Linux, for flash that tells how worn it is, and for a Ceph:
#
# ```
# lsblk -d -o NAME,ROTA,MIN-IO,OPT-IO,SIZE
# mdadm --detail /dev/md0 | grep -i -e level -e chunk
# nvme smart-log /dev/nvme0 | grep -i -e percentage_used -e data_units_written
# ceph osd erasure-code-profile get default
# ```
#
# On Lustre the array is behind the servers, where users can't see it. Its manual asks for arrays whose full stripe is 1 MiB, or a part of it: this is why 1 MiB, well aligned, is a good size for a write there. What do the disks of this
# machine say? (One that is only imagined, in a virtual machine, says what it likes.)

# %%
hardware.here

# %% [markdown]
# ## Remember
#
# - A request costs, bytes hardly: on a disk with an arm 64 small ones took eleven times as long as one large one of the same bytes. The newer the disk, the more.
# - Flash writes more than you do, 1 / (1 - u) times as much; and the less room it has, the more.
# - A small write to anything with parity reads before it writes, or writes a whole stripe. Write full stripes, and begin where a stripe begins.
#
# ## Sources
#
# - The disk: Ruemmler and Wilkes, "An introduction to disk drive modeling" (1994), its figures taken from a simulator's source. Tests hold our model to them. The
#   disk of 2018: the specification of the Ultrastar DC HC310 (Western Digital) for turns and seeks; its heads and its memory are recalled, 200 MB/s is a round figure.
# - Flash: Xiang and Kurkoski, arXiv:1110.4245: 2.36 at 0.3 by the formula, 2.35 by simulation. The form of the formula is recalled; it gives the published figures.
# - Small writes: textbooks on RAID. Read-modify-write was read, the others are recalled; Lustre's manual on arrays ("Configuring storage on a Lustre file system"), recalled.
# - The coded pool: Ceph's own counters (`bluestore_write_big` and `_small`) on this machine, or on the machine where the recorded runs were made.
#
# Next: [04, The language of patterns](04_the_language_of_patterns.ipynb) · [All lessons](README.ipynb)
