# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Who wrote this byte?
#
# **Lesson 00 · Know your lab · 20 minutes**
#
# On ARCHER, a British supercomputer, 12,288 processes once wrote one file together. None of them asked the others where to write, and yet
# each byte had exactly one author.
#
# **What you will do.** You start a parallel program with four processes. You watch each of them write its own part of one file. Then you name
# the author of a byte, before and after you see it.
#
# **What you need.** This notebook, and nothing else. You need not have seen MPI before. Everything here runs on your own machine, takes a
# second, and is cleaned up.
#
# **How to read.** Run the cells from top to bottom, with *Shift* and *Enter*. Words in *italics* are words of the trade. Each is explained
# where it first stands, and again in the [glossary](glossary.ipynb). The first cell gives you a `lesson`: it keeps your predictions
# and knows when a run has begun.

# %%
import piotutor as pio

lesson = pio.Lesson("00")
lesson

# %% [markdown]
# ## 1. Look around
#
# *4 minutes. Skip this if late: yes, the exercise comes back to the card.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Before I trust a measurement, I want to know the laboratory. Four things matter: how many cores there are, which MPI starts the processes,
# which library turns their requests into system calls, and which file system takes them. The card lists them. Whatever is missing
# here, the lessons say so instead of guessing."
#
# </details><br>
#
# Your machine is the laboratory. The card below says what it can show, and what it can't. It asks the machine itself, so it
# is different for your neighbour. Four of its lines matter today:
#
# - The *cores* are the parts of the processor that compute at the same time. Four processes on two cores take turns. That is fine here.
# - *MPI*, the Message Passing Interface, is the standard by which processes of one job find each other and talk. Somebody has to
#   implement a standard: MPICH and Open MPI are two *MPI libraries*.
# - *MPI-IO* is the part of MPI that deals with files. It is a program of its own inside the MPI library, with its own name. Notice it.
# - The *file system* keeps the files. It decides on which disk a byte goes, and who may write at the same time.
#
# Before you run the cell: which MPI do you expect, and what is under your files?

# %%
from piotutor import doctor

doctor.card()

# %% [markdown]
# ## 2. Predict
#
# *3 minutes. Skip this if late: no, but a show of hands is enough.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Four processes, one file, a block of one mebibyte each. Who writes byte two and a half million? Hands up for rank 2, for rank 3, for 'whoever
# comes third'. Remember your answer. A prediction that you can't take back teaches more than an explanation that you agree with."
#
# </details><br>
#
# A *process* is a running program with its own memory. The command `mpiexec -n 4 program` starts the same program four times. That is
# a *job*. MPI gives each of its processes a number, the *rank*, counted from 0. People also call the process itself "a rank". The rank is the only thing in which
# the four differ at the start.
#
# All four open one *shared file*: the same file, at the same time. Each asks to write a *block*, which is a piece of the file
# that lies together. Where it lies is its *offset*: the number of bytes of the file in front of it.
#
# Choose now. You may change your mind until the run begins. From then on your prediction is locked, and is noted in a file of your own.

# %%
lesson.predict("owner")

# %% [markdown]
# The next one asks for a number. Count *calls*: one call is one request of one process, such as "write these bytes at that offset".

# %%
lesson.predict("writes")

# %% [markdown]
# ## 3. Run
#
# *3 minutes. Skip this if late: no, this is the lesson.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "This is a real job: mpiexec starts four processes, and they really write. Four colours, four blocks. Run it twice: the order in which
# the blocks appear changes, their places never do. That is what makes a shared file possible: nobody has to ask."
#
# </details><br>
#
# The next cell describes the job. Such a description is a *workload*. This one says: through MPI-IO, four processes,
# one block of 1 MiB each, written in one go. A *MiB*, or mebibyte, is 1,048,576 bytes; the cell may write it as `1m`.
#
# `lesson.watch` then starts it, under `mpiexec`, outside of this notebook. The picture is drawn while the job runs, from the records
# that the processes leave of each call. Which colour will come first?

# %%
workload = pio.Workload.make(api="MPIIO", num_tasks=4, block_size="1m", transfer_size="1m", write=True)
run = await lesson.watch(workload, "blocks", views=("access_map",))

# %% [markdown]
# The job was over before anyone could look. Press *Replay* below the picture to see it again, slowly: beside the button stands how much slower. With
# *step* you go from call to call. Which rank wrote first?
#
# ## 4. Look
#
# *3 minutes. Skip this if late: yes, if everybody saw four colours.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Read the picture upwards: that is the file, from its first byte to its last. Read it to the right: that is time. Upwards the order is always 0, 1, 2,
# 3. To the right it is whatever the machine made of it. Place is decided by arithmetic, time by chance."
#
# </details><br>
#
# - From bottom to top is the file. The blocks lie in the order of the ranks, and they touch: no gap, no overlap.
# - From left to right is time. The blocks need not appear in the order of the ranks. On two cores someone has to wait.
# - The line below the picture says `measured`. A real job on a real file system made it, and it names them.
#
# Now let the four say who they are. Each line comes from the records of one process: its rank, its computer, and the bytes that
# it wrote.

# %%
lesson.roll_call(run)

# %% [markdown]
# ## 5. Explain
#
# *3 minutes. Skip this if late: no, lesson 04 builds on this formula.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "The offset is rank times block size. Turn it around, and the author of a byte is its position divided by the block size, rounded down. Every process
# can compute this alone. No messages, no queue, no lock: this is why parallel files scale at all."
#
# </details><br>
#
# Each process computes its offset from its own rank: `offset = rank x block size`. Nobody is asked, so nobody waits. Turned around, the same
# rule names the author of any byte: **`rank = byte // block size`**. The two slashes divide and round down.
#
# Some things are done by all processes together, and such an act is called *collective*. Opening a file in MPI-IO is one: it begins when all have come.
# The writes of this job were not collective: each process made its own when it was ready. Here is what you predicted, what the rule says,
# and what was measured:

# %%
lesson.compare("owner")

# %%
lesson.compare("writes")

# %% [markdown]
# ## 6. Try
#
# *2 minutes. Skip this if late: yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Same blocks, smaller calls. There are sixteen calls now, and the picture has the same four colours in the same places. How a block is cut into
# calls changes the speed, never the author."
#
# </details><br>
#
# Cut each block into calls of 256 KiB, a quarter of a MiB each. How many calls will there be? And does byte 2,500,000 get another author?
# Then try your own: six processes, or a block of 2 MiB. One thing at a time, and a guess before each.

# %%
finer = workload.replace(transfer_size="256k")
await lesson.watch(finer, "finer", views=("access_map",))

# %% [markdown]
# ## 7. Exercise
#
# *4 minutes. Skip this if late: no, do the first half together.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Byte 1,048,575 and byte 1,048,576 are neighbours with different authors. Off by one is the commonest mistake in parallel I/O, and it costs a
# corrupt file. And remember the name of your MPI-IO: half of the settings that you find on the web are for the other one."
#
# </details><br>
#
# **Who wrote it?** Go back to the first job: four ranks, 1 MiB each. Put three ranks in place of the three dots: the authors of
# bytes 1,048,575, then 1,048,576, then 4,000,000.
#
# <details><summary>Hint 1</summary>
#
# The first byte of the file is byte 0. So the first MiB ends one byte before byte 1,048,576.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Use the rule from step 5, with two slashes. The block size is 1,048,576.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Python does it for you: `[byte // 1_048_576 for byte in (1_048_575, 1_048_576, 4_000_000)]`.
#
# </details>

# %% tags=["exercise"]
owners = [..., ..., ...]
pio.check("00.owner", owners)

# %% tags=["solution"]
owners = [0, 1, 3]
pio.check("00.owner", owners)

# %% [markdown]
# **Who does the files?** Put in the name of the MPI-IO implementation of your machine, in quotes. There are two in wide use. *ROMIO* comes with MPICH,
# and with what most vendors build from it. *OMPIO* is Open MPI's own. Settings made for one are silently ignored by the other.
# That is why you should know which one you have.
#
# <details><summary>Hint 1</summary>
#
# It isn't the name of the MPI library.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The card in step 1 has a line for it. The run knows it as well.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Look at `run.environment["mpi_io_driver"]`. Only ROMIO writes its name there.
#
# </details>

# %% tags=["exercise"]
name = ...
pio.check("00.mpiio", name, run)

# %% tags=["solution"]
name = "ROMIO" if "ROMIO" in run.environment["mpi_io_driver"] else "OMPIO"
pio.check("00.mpiio", name, run)

# %% [markdown]
# ## 8. On a cluster
#
# *2 minutes. Skip this if late: yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "On a cluster there is one more word in the command, and the rest is the same. The scheduler gives you nodes, its command starts the ranks on them, and the
# file system is shared by all. The rank still decides the offset."
#
# </details><br>
#
# A cluster is many computers, called *nodes*, with one file system for all. You ask a *scheduler* for nodes. With Slurm, the most common one, the
# four processes of this lesson would be started on two nodes like this:
#
# ```
# srun --nodes=2 --ntasks=4 ./program
# ```
#
# Nothing else changes: rank 2 may sit on another computer, and its offset is still 2 x 1 MiB. What does change is who must agree with whom
# when two computers write to one file. Lesson 06 is about that. Is there a Slurm here?

# %%
import shutil

shutil.which("srun") or "no Slurm on this machine: mpiexec starts the processes"

# %% [markdown]
# ## Remember
#
# - A rank is a process with a number, counted from 0. The number decides what it does.
# - In a shared file every process computes its own offset. Place is arithmetic, time is chance.
# - Know your laboratory: MPI library, MPI-IO implementation, file system.
#
# ## Sources
#
# - The 12,288 writers: benchio and IOR on ARCHER, in the repository ARCHER-CSE/parallel-io.
# - Ranks, files and collective calls: the MPI standard, version 4.1, chapters 1 and 14.
# - The rule of the offsets is IOR's, with one segment. Lesson 04 has the whole of it.
#
# Next: [01, What did you measure?](01_what_did_you_measure.ipynb) · [All lessons](README.ipynb)
