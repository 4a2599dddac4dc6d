# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which bytes are mine?
#
# **Lesson 04 · The language of patterns · 45 minutes**
#
# IO500, the list that compares the storage of the largest machines, writes with two programs called *easy* and *hard*. Both are the same
# program, IOR: only the pattern of the bytes is different.
#
# **What you will do.** You learn the five words in which people describe such patterns. You draw a pattern before any byte is written, then watch four processes write
# it. You change one word at a time. At the end you list the offsets of one process by hand.
#
# **What you need.** This notebook. A *rank* is one of the processes of a parallel job, counted from 0. (Lesson 00 shows them.) A *call* is one request of
# one rank, such as "write these bytes at that offset". An *offset* is a place in a file: the number of bytes in front of it.

# %%
import piotutor as pio

lesson = pio.Lesson("04")
lesson

# %% [markdown]
# ## 1. The words
#
# *6 minutes. Skip this if late: no.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Three sizes, one inside the other. A transfer is what one call moves. A block is what lies together in the file. A segment is one round, in which every rank has one
# block. These are IOR's words, and the whole field uses them: learn them once, and you can read any benchmark's command line."
#
# </details><br>
#
# *IOR* is the benchmark program that the field compares itself with. Its words for a pattern are everybody's words:
#
# - A **transfer** is what one call moves. IOR's option is `-t`.
# - A **block** is a piece of the file that lies together and belongs to one rank: one transfer or several, one behind the other. The option is `-b`.
# - A **segment** is one round in which every rank has one block, in the order of the ranks. There may be many rounds: `-s`.
# - A **shared file** is written by all ranks. With a **file per process**, each has its own: `-F`.
#
# Such a description says which bytes, in which order, before any file is opened. It is pure arithmetic.
#
# ## 2. Predict
#
# *4 minutes. Skip this if late: no, but a show of hands is enough.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Four ranks, blocks of 256 KiB, transfers of 64, two segments. How many calls? And where does rank 1 begin its second block? Half of all people say: right behind its first. Remember what
# you said."
#
# </details><br>
#
# Take four ranks, one shared file, a block of 256 KiB, a transfer of 64 KiB, and two segments. A *KiB*, or kibibyte, is 1,024 bytes. Answer from the
# words alone. Your predictions are locked when the run begins. First a number:

# %%
lesson.predict("calls")

# %% [markdown]
# Then a place in the shared file. Remember the order: a round of all ranks, then the next round.

# %%
lesson.predict("segment")

# %% [markdown]
# ## 3. Draw it, then run it
#
# *5 minutes. Skip this if late: no.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Now for real. The map from before was a promise; this is what the four processes did. Time runs to the right. Each colour climbs four steps, jumps over the
# other three, and climbs four again. That jump is the segment."
#
# </details><br>
#
# Every offset can be computed before a file is opened, so the pattern can be drawn as well. In this map each row is a rank, and from left to right is
# the file. Before you run it: how many coloured pieces will each row have, and where is the gap?

# %%
workload = pio.Workload.make(num_tasks=4, block_size="256k", transfer_size="64k", segment_count=2, write=True)
lesson.map(workload)

# %% [markdown]
# So far nothing has been written. Now four processes do it. The picture is drawn from the records that they leave of each call. From bottom to top is the file, from left to right
# is time. Where does each colour jump, and by how much?

# %%
run = await lesson.watch(workload, "segments", views=("access_map",))

# %% [markdown]
# Press *Replay* below the picture to see it again, slowly. Stop it in the middle, and press *step*: can you name the rank of the next call, and can you name
# its place?
#
# ## 4. Look
#
# *4 minutes. Skip this if late: yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Follow one colour. Four small steps without a gap: one block. Then a jump of one MiB from block to block, which is the size of a whole segment. Which rank comes first is chance, and
# it differs from run to run. The places never do."
#
# </details><br>
#
# - Follow one colour. Four steps without a gap are one block of 256 KiB.
# - Then comes a jump. From the start of a block to the start of the next one it is 1 MiB: the length of a segment, 4 x 256 KiB.
# - The ranks may overtake each other in time. Run it again: the picture changes sideways, never upwards.
#
# ## 5. Explain
#
# *6 minutes. Skip this if late: no.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "One formula: segment times number of ranks, plus rank, times block, plus transfer number times transfer size. With a file per process the other ranks drop out. That is IOR's whole pattern, in
# one line."
#
# </details><br>
#
# Count the blocks in front of yours. In each earlier segment there are as many as there are ranks. In your own there is one for each lower rank. Then come your earlier
# transfers. In a shared file:
#
# **`offset = (segment x ranks + rank) x block + number x transfer`**
#
# In a file of one's own nobody lies in between, so `ranks` and `rank` drop out: **`offset = segment x block + number x transfer`**. All numbers start at 0.
#
# The number of calls is a product too: `ranks x segments x (block / transfer)`. Here are prediction, rule and measurement:

# %%
lesson.compare("calls")

# %%
lesson.compare("segment")

# %% [markdown]
# ## 6. Run: a file for each process
#
# *4 minutes. Skip this if late: show the picture only.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "One option, minus capital F. Each rank has its own file, starts at zero, and never jumps. It is simple, and it is fast until there are a hundred thousand files and somebody wants
# to open one of them."
#
# </details><br>
#
# One word changes: `file_per_process`. There are four files now, each with a byte 0 of its own. The picture stacks them, file after file. Which jumps
# are left?

# %%
own = workload.replace(file_per_process=True)
files = await lesson.watch(own, "files", views=("access_map",))

# %% [markdown]
# The same blocks, and no gaps: each rank goes straight through its own file. Nobody has to agree with anybody. That is why this pattern is often the quickest, and why
# it leaves you with as many files as there were ranks.
#
# ## 7. Run: random
#
# *6 minutes. Skip this if late: only the prediction and the last picture.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Two kinds of random. Locally: every transfer that was there before is still there, but shuffled. Globally: starts are drawn from the whole file, so two ranks may write the same bytes, and some bytes
# are never written. People report both as 'random'. Ask which one."
#
# </details><br>
#
# IOR knows two kinds of *random*. With `-z` the transfers of a round are shuffled: this is **locally random**. With a file per process a rank shuffles the
# transfers of its own block. In a shared file the transfers of each segment are dealt out to the ranks by lot, so some ranks get more
# of them than others. Together they still cover everything, once. In the picture, is any place left white?

# %%
shuffled = workload.replace(random_offset=1)
lesson.map(shuffled)

# %% [markdown]
# With `-z -z` the places themselves are drawn, over the whole file: **globally random**. Benchmarks of *4 KiB random reads* are of this kind. What will be true of the file
# afterwards?

# %%
lesson.predict("random")

# %%
anywhere = workload.replace(random_offset=2, block_size="64k", segment_count=8)
wild = await lesson.watch(anywhere, "anywhere", views=("access_map",))

# %% [markdown]
# The map of the same job shows it better. Look for places that two rows have in common: they were written twice. Then look for columns that are white
# from top to bottom: these are the holes.

# %%
lesson.map(anywhere)

# %% [markdown]
# Did you see it coming?

# %%
lesson.compare("random")

# %% [markdown]
# The counts of this run: how many calls there were, and how many different places they went to. If every byte had been written once, the two would be equal.

# %%
places = wild.trace.column("offset")[pio.metrics.transfers(wild.trace)]
len(places), len(set(places))

# %% [markdown]
# ## 8. Try
#
# *3 minutes. Skip this if late: yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Make the transfer as large as the block: one call a block, same map. Make both 47,008 bytes: that is ior-hard of IO500. Nothing fits the pages of the file system any
# more, and that is the whole idea."
#
# </details><br>
#
# - Set the transfer to the size of the block. Does the map change? Does the number of calls?
# - Exchange `block_size` and `segment_count`: 128 KiB and 4 rounds. Who has longer ways to jump?
# - Set both sizes to 47,008: this is the *hard* pattern of IO500. Turn on the grid of *pages*, the pieces of 4 KiB in which the system handles
#   files. How many blocks begin at the edge of a page?

# %%
hard = pio.Workload.make(num_tasks=4, block_size=47008, transfer_size=47008, segment_count=4, write=True)
await lesson.watch(hard, "hard", views=("access_map",), grid=4096)

# %% [markdown]
# ## 9. Exercise
#
# *5 minutes. Skip this if late: no, it is what you take home.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Paper and pencil. Four ranks, block 128, transfer 64, two segments, one shared file. The offsets of rank 2, in the order of its calls. Two calls in the first segment, two in the second. Where is
# the jump?"
#
# </details><br>
#
# **List the offsets.** Four ranks write one shared file, with `-b 128k -t 64k -s 2`. Give the offsets of all calls of rank 2, in bytes, in the order in which it makes
# them. You may let Python do the sums.
#
# <details><summary>Hint 1</summary>
#
# How many calls does one rank make? Two segments, and in each a block of 128 KiB in pieces of 64 KiB.
#
# </details>
# <details><summary>Hint 2</summary>
#
# In segment 0, two blocks lie in front of rank 2's. In segment 1 there are four more. A block has 131,072 bytes.
#
# </details>
# <details><summary>Hint 3</summary>
#
# The first two are 2 x 131,072 and 65,536 more. The others lie one segment further on: 4 x 131,072 bytes.
#
# </details>

# %% tags=["exercise"]
offsets = ...
pio.check("04.offsets", offsets)

# %% tags=["solution"]
offsets = [(segment * 4 + 2) * 131072 + number * 65536 for segment in (0, 1) for number in (0, 1)]
pio.check("04.offsets", offsets)

# %% [markdown]
# ## 10. On a cluster
#
# *2 minutes. Skip this if late: yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "You don't need piotutor there. The words are IOR's options, one by one. Copy the line, put srun in front, and give it a file on the parallel file system."
#
# </details><br>
#
# Every word of this lesson is an option of IOR. This is the command that writes the same bytes as our first run. On a cluster, put
# `srun --ntasks=4` in its place in front:

# %%
from piotutor import ior

print(ior.command(workload))

# %% [markdown]
# It works the other way round as well: `pio.run` takes a whole IOR command line. So you can take one from a paper, and look at its pattern here before you use a
# machine's time. Is IOR installed on this machine?

# %%
import shutil

shutil.which("ior") or "no IOR on this machine: piotutor makes the same calls"

# %% [markdown]
# ## Remember
#
# - Transfer: one call. Block: what lies together. Segment: one round of all ranks.
# - `offset = (segment x ranks + rank) x block + number x transfer`; in a file of one's own, without ranks.
# - "Random" is two things: dealt out anew and complete, or drawn at will with overlaps and holes.
#
# ## Sources
#
# - The words and the formula: IOR's user documentation, and `src/ior.c` of hpc/ior. The tests hold piotutor's offsets against it.
# - Both kinds of random: `GetOffsetArrayRandom` in `src/ior.c` (head of April 2026), and pull request 270 of hpc/ior.
# - Easy and hard: the IO500 repository, README and configuration. *Hard* is one shared file, in transfers and blocks of 47,008 bytes; *easy* is a
#   file for each process, in transfers of 2 MiB.
#
# Next: [05, Striping](05_striping.ipynb) · [All lessons](README.ipynb)
