# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Who has the lock?
#
# **Lesson 06 · Locks and alignment · 45 minutes**
#
# Many nodes of a supercomputer wrote small records into one shared file. Then MPI-IO, the library through which they wrote, was taught to ask the file system for its locks before it needed them, and the same
# writes went more than three times as fast. The disks were no faster than before: what had gone was the time in which the nodes waited for each other.
#
# **What you will do.** Two computers write one file, and never the same byte. You foretell how often they get in each other's way, and watch who holds which part of the file. Then you change one thing at a time: who
# writes where, on how many computers, in records of which size, into how many objects. At last you do it on a file system that locks whole files.
#
# **What you need.** This notebook. A *rank* is one of the processes of a parallel job, and an *offset* is a place in a file, counted in bytes (lesson 00). An *object* is what one server holds of a file
# (lesson 05). A *MiB* is 1,048,576 bytes.

# %%
import piotutor as pio

lesson = pio.Lesson("06")
lesson

# %% [markdown]
# ## 1. Locks
#
# *4 minutes. Skip this if late: no, the words are needed.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Two cooks and one recipe book. Whoever writes in it must have it. You don't take the page only: you take the book, as nobody else wants it, and you keep it, as you will write again. Then the other cook
# comes. You finish your line, you hand it over, and now you wait. Nobody ever wrote over the other's words. And still half of the evening went into handing over."
#
# </details><br>
#
# A *client* is a computer that uses a parallel file system: a node of a cluster, with all the ranks that run on it. Clients keep parts of files in their memory. For this not to go wrong, a client that wants to
# write a part of a file asks for a *lock* on it: the right to be the only one there. The server that has the object *grants* it: to one client at a time.
#
# In Lustre, a file system of many large machines, a lock is for a range of bytes of one object, an *extent*. It is at least as large as what was asked for, rounded to whole pages of 4,096 bytes. Such a page is the *lock unit*: two clients can't
# hold two halves of it. And if nobody else has a lock there, the range grows, as far as it is free: up to the whole object. So a client that is alone asks once, and never again.
#
# If another client wants something of that range, the server calls the lock back. This is a *callback*. The holder finishes what it has begun and gives the lock back, and only then may the other one go on.
#
# Your machine is one computer with one disk, and has no such locks. So the next runs are *emulated*: real ranks write real data to your disk, but after each call they wait as long as they would have waited for
# the servers of another machine. That machine is called `slow-lustre`: two clients, Lustre's locks, and all so slow that your computer can keep up with it. Its times are made up. Who waits for whom isn't.
#
# ## 2. Predict
#
# *3 minutes. Skip this if late: no, but a show of hands is enough.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Sixty-four records, two computers, in turns: mine, yours, mine, yours. Nobody ever touches a byte of the other one. How often does one of them lose a lock? Never? Twice? At every second write? Hands, please."
#
# </details><br>
#
# Two ranks write 64 records of 47,008 bytes into one file, in turns. (That size and pattern are those of the "hard" test of IO500, a list of fast storage systems.) Writing in turns is called *strided*: each rank's next record
# lies one stride further on. This is the file, before anything runs:

# %%
turns = pio.Workload.make(num_tasks=2, block_size=47_008, transfer_size=47_008, segment_count=32, write=True)
lesson.map(turns)

# %% [markdown]
# Each rank is on a client of its own: this is `ranks_per_client=1`. Your prediction is locked when the run begins.

# %%
lesson.predict("taken")

# %% [markdown]
# ## 3. Run: in turns, and in halves
#
# *6 minutes. Skip this if late: no.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Time runs downwards, one row for each write. The small box is what was written, the wide bar is what was locked. On the left, the whole bar changes its colour with nearly every write: the lock goes to and
# fro like a ball. On the right, the same bytes, but each client has one half: two or three quarrels, and then peace."
#
# </details><br>
#
# In the picture, time runs downwards. Each row is one write: the small box with the dark edge is what was written, and the wide bars say who held which part of the file at that moment. The strip on top says who
# holds what now, and on the right is the server with its queue. When the run is over, you can play it again slowly. How wide are the bars, compared with the boxes? And how long does the file keep one colour?

# %%
two = "emulated:slow-lustre,ranks_per_client=1"
strided = await lesson.watch(turns, "strided", storage=two, views=("locks",))

# %% [markdown]
# Now the same records, but each rank has one half of the file for itself. Its 32 records lie one behind the other, in one *segment*. How often do the bars change their colour this time?

# %%
halves = turns.replace(block_size=32 * 47_008, segment_count=1)
segmented = await lesson.watch(halves, "segmented", storage=two, views=("locks",))

# %% [markdown]
# Side by side, the first writes of each. The same bytes, the same two clients:

# %%
pio.plot_locks({"strided": strided, "segmented": segmented}, first=24)

# %%
lesson.compare("taken")

# %% [markdown]
# ## 4. Predict, and run: one client
#
# *4 minutes. Skip this if late: ask the question, and say the answer.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Same ranks, same turns, same odd records. Only that both ranks now sit on the same computer. How many callbacks? None at all. The lock belongs to the computer. That is why a test on your laptop never shows this, and why
# a job on one node never does either."
#
# </details><br>
#
# Back to turns. Now both ranks run on one client, as two cores of one computer. Nothing else is changed. Who could take a lock from whom?

# %%
lesson.predict("node")

# %%
one = "emulated:slow-lustre,ranks_per_client=2"
node = await lesson.watch(turns, "node", storage=one, views=("locks",))

# %%
lesson.compare("node")

# %% [markdown]
# ## 5. Predict, and run: padding
#
# *5 minutes. Skip this if late: no, this is what most people get wrong.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Forty-seven thousand and eight: at each border between two records there is a page with bytes of both. So we fill each record up to whole pages. Problem solved? Part of it. Nobody shares a page any more. But the
# locks are wider than the pages, and the next record still belongs to the other one."
#
# </details><br>
#
# A record of 47,008 bytes is eleven and a half pages. So at each border between two records lies a page with bytes of both clients, and only one of them can have it. This is called *false sharing*: they share the
# lock unit, though they share no byte. The cure is *padding*: each record is filled up to whole pages. To begin at a multiple of something is called *alignment*.
#
# With padding a record takes 49,152 bytes, twelve pages, and each border between records is a border between pages. What will become of the callbacks?

# %%
lesson.predict("pads")

# %%
whole = turns.replace(block_size=49_152, transfer_size=49_152)
padded = await lesson.watch(whole, "padded", storage=two, views=("locks",))

# %% [markdown]
# Compare where the bars begin and end; what is white is nobody's at that moment. With padding, one client can keep what lies behind while the other one holds what lies ahead. (Without it, this happens only where one of
# them is a record ahead.)

# %%
pio.plot_locks({"strided": strided, "padded": padded}, first=16)

# %%
lesson.compare("pads")

# %% [markdown]
# ## 6. Look
#
# *4 minutes. Skip this if late: no, show the table.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Read it line by line. Borders between clients: sixty-three, one, none, sixty-three. Callbacks: many, a few, none, many. Padding empties the column of shared pages, and leaves the borders alone. And the times follow the
# callbacks, for the same number of bytes."
#
# </details><br>
#
# One line for each run. A *border* is a place in an object where the bytes of one client end and those of another begin. The borders are counted from what the ranks wrote. The callbacks are counted twice: by the same rules in the
# model, where nobody is ever late, and by the emulated servers under the real ranks.
#
# - Follow the column of borders, and that of callbacks. Which runs have many of both, and which have few?
# - What did padding do to the shared pages, and what to the borders?
# - The times are those of a machine that is made up, but compare them: which run with two clients took the longest?
#
# The emulated servers serve real processes, and these are sometimes late. While one is late, the other may write its next record under the lock that it has, and a callback is saved. So the counts vary from run to run: many in turns,
# padded or not, and very few in halves. If your computer couldn't keep up at all, the last column says that the line is inconclusive here. That one client has no callbacks is certain.

# %%
lesson.locks("strided", "segmented", "node", "padded")

# %% [markdown]
# ## 7. Explain
#
# *5 minutes. Skip this if late: no.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Three rules. A lock is for whole pages. It grows as far as nobody else is in the way. And whoever comes later calls it back. So what counts is not how much you write. It is how often the next neighbour in the file
# is somebody else. Sixty-three borders in turns. One border in halves."
#
# </details><br>
#
# Three rules make all of these pictures:
#
# 1. What is asked for is rounded to whole lock units.
# 2. What is granted grows, on both sides, until somebody else's lock or request is in the way. (After some quarrel Lustre becomes careful. With more than 4 other locks on an object it grows to the right only, and with more than 32 to no more than 32 MiB.)
# 3. What is in the way of a request is called back.
#
# So neither the bytes nor the ranks decide, but **who is whose neighbour: count the borders between clients, on each object**. For `W` writes in turns it is `W - 1`. For one segment of each of `C` clients it is `C - 1`. For one client it is 0. Each border is a place
# where a lock may have to change hands. Callbacks aren't exactly as many: a lock that is in nobody's way lasts for two turns, and halves need one or two more until both have said what they want.
#
# Why does padding help at all? Without it, the page at a border is wanted by both sides, so each write calls back what the write before was granted: 63 in the model. With it, the client that is behind
# gets a lock up to the other one's record, and that is in nobody's way. Only the one that goes ahead must call back: 32.
#
# Each callback costs time: a message to the server, one to the holder, the rest of its write, a message back. On `slow-lustre` a write takes 10 ms at the server, and a lock needs 5 ms to come back. On a real machine it is
# worse than that looks: a holder must first send all that it had kept in memory for the range.
#
# ## 8. Try
#
# *3 minutes. Skip this if late: yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Locks belong to objects. So let each client have an object of its own: stripes as large as a padded record, and two of them. Record, stripe, record, stripe: all of client 0 falls into object 0. The file looks as before, in turns, and
# there is not a single callback. No code was changed, only the layout."
#
# </details><br>
#
# Padding to pages wasn't enough. What if the padded record is as large as a *stripe*, the piece of a file that goes to one object before it is the next one's turn? With a stripe count of 2, all even records fall into the first object,
# and all odd ones into the second. How many borders between clients has each object now?

# %%
stripes = turns.replace(block_size="64k", transfer_size="64k")
layout = f"{two},stripe_size=64k,stripe_count=2"
objects = await lesson.watch(stripes, "objects", storage=layout, views=("locks",))

# %% [markdown]
# The view shows one object at a time. These are both of them. Whose colour does each have, and does it ever change?

# %%
pio.plot_locks(objects, most=2, first=16)

# %%
lesson.locks("strided", "padded", "objects")

# %% [markdown]
# Each record now takes 65,536 bytes instead of 47,008, so this is bought with space. And it fits only as long as the number of clients fits the number of stripes. Set `stripe_count=1` and run the cell again: what happens, and why? Then put
# `stripe_count=2` back, and let a stripe hold two records, with `stripe_size=128k`: whose records lie in the first object now?
#
# ## 9. Predict, and run: a lock for the whole file
#
# *5 minutes. Skip this if late: show the table only.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Another file system, and this one is real: Ceph, on this machine. Here nobody locks ranges. There is one permission for a whole file, and with two writers nobody has it. So the halves, which were so peaceful
# before, are as bad as anything: each write goes to the servers at once. A file for each, and they are quick again."
#
# </details><br>
#
# CephFS, the file system of Ceph, has no locks for ranges. Its metadata server gives out permissions for whole files; such a one is a *capability*. One kind says: you may keep in memory what you write, and send it later. A file's
# only writer has it. With two writers, it is taken back from both.
#
# The next cell starts a real Ceph with two servers on this machine (an *OSD* is such a server). This is no emulation. Two ranks write halves of one file, the pattern that was so good before. They do it through MPI-IO, so that both have the file open
# from the first write to the last.

# %%
lesson.predict("halves")

# %%
ceph = (await lesson.servers(2)).storage
apart = halves.replace(api="MPIIO", fsync=True)
shared = await lesson.watch(apart, "halves", storage=ceph, views=("targets",))

# %% [markdown]
# And the same records in two files, one for each rank. Will the servers get as many writes again?

# %%
files = apart.replace(file_per_process=True)
own = await lesson.watch(files, "own", storage=ceph, views=("targets",))

# %% [markdown]
# The bytes tell nothing here: count the writes. How many did the servers get for the 64 of the ranks? One that crosses from one stripe of 64 KiB to the next becomes two, for two objects or two places. So more than 64 means: each write was sent by itself. Fewer means: they were kept,
# and sent together. (Capabilities are also taken back when files are made and closed, so the last column isn't 0 for own files.)

# %%
lesson.permissions("halves", "own")

# %%
lesson.compare("halves")

# %% [markdown]
# So the best pattern isn't the same everywhere. On Lustre, parts that lie together are enough. On CephFS it takes a file for each. What helps on both is fewer and
# larger writes, which one rank collects for many: lesson 07.
#
# Stop the servers, and give the memory back:

# %%
lesson.clean()

# %% [markdown]
# ## 10. Exercise: what do they share?
#
# *4 minutes. Skip this if late: do the first together, on the screen.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Forty records. Where are the borders? At multiples of the record. Which of these lie inside a lock unit? Those that are no multiple of the unit. That is one line with a percent sign. And the last one is nasty: padded to the wrong unit."
#
# </details><br>
#
# Two clients write 20 records each. How many lock units have bytes of both? Four cases: records of 47,008 bytes in turns; padded to 49,152 in turns; 47,008 again, but in two segments; and padded to 49,152 in turns, on a file system
# whose lock unit isn't a page but 64 KiB (65,536 bytes).
#
# <details><summary>Hint 1</summary>
#
# A unit is shared if a border between the clients lies inside it. In turns there are 39 borders, in segments there is one.
#
# </details>
# <details><summary>Hint 2</summary>
#
# In turns, the borders are at 1, 2, ... 39 records. One lies inside a unit if its offset is no multiple of the unit: `k * record % unit > 0`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# 49,152 is 12 x 4,096, so no border lies inside a page. But it is three quarters of 65,536, so only each fourth border is at a multiple of that: 9 of 39.
#
# </details>

# %% tags=["exercise"]
answer = {"strided": ..., "padded": ..., "segmented": ..., "padded, units of 64 KiB": ...}
pio.check("06.units", answer, lesson)

# %% tags=["solution"]
cases = {"strided": (47_008, 4096), "padded": (49_152, 4096), "padded, units of 64 KiB": (49_152, 65_536)}
answer = {name: sum(k * record % unit > 0 for k in range(1, 40)) for name, (record, unit) in cases.items()}
answer["segmented"] = int(20 * 47_008 % 4096 > 0)
pio.check("06.units", answer, lesson)

# %% [markdown]
# ## 11. Exercise: order four jobs
#
# *3 minutes. Skip this if late: give it as homework.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Four jobs, the same bytes. Don't ask how large, don't ask how fast. Ask one thing: where in the file is my neighbour somebody else? Count these places, and you have the order."
#
# </details><br>
#
# Two clients with one rank each write 32 padded records each, on `slow-lustre`, with one object to a file:
#
# - A: in turns, four records at a time;
# - B: each client writes a file of its own;
# - C: in turns, one record at a time;
# - D: each client writes one half of a shared file.
#
# Which has the most callbacks, which the fewest? Write the letters in this order. The check then lets the engine behind `slow-lustre` count them.
#
# <details><summary>Hint 1</summary>
#
# Count the borders between the two clients, on each object.
#
# </details>
# <details><summary>Hint 2</summary>
#
# In turns of one record there are 63. In turns of four there are 16 turns, and so 15.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Halves have one border. A file of one's own has none.
#
# </details>

# %% tags=["exercise"]
order = [..., ..., ..., ...]
pio.check("06.order", order)

# %% tags=["solution"]
order = ["C", "A", "D", "B"]
pio.check("06.order", order)

# %% [markdown]
# ## 12. On a cluster
#
# *2 minutes. Skip this if late: yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Look at who writes where before you touch anything else. Then let few clients write large parts: collective buffering does that. Then match the layout: as many stripes as writers. And a test on one node shows none of this."
#
# </details><br>
#
# Try it on two nodes, not on one. More nodes should be faster: where the same ranks are slower on two nodes than on one, suspect locks. `lctl` shows how many locks a client has on Lustre. The third line lets MPI-IO collect
# the pieces, so that each writing node has its own part of the file (lesson 07). The last one makes a new file whose stripes are as large as a padded record:
#
# ```
# srun -N 2 -n 2 ior -w -t 47008 -b 47008 -s 5000 -o /scratch/me/file
# lctl get_param ldlm.namespaces.*.lock_count     # this node's locks
# srun -N 2 -n 2 ior -a MPIIO -c -w -t 47008 -b 47008 -s 5000 -o /scratch/me/file
# lfs setstripe -c 2 -S 64k /scratch/me/aligned   # as in step 8
# ```
#
# GPFS (IBM Storage Scale) locks ranges of bytes too, which it calls *tokens*: a holder gives away only what the other one needs. BeeGFS has no such locks, and lets writers go ahead. So ask what your file system is before you
# blame your pattern. What is under this notebook?

# %%
from piotutor.storage.probe import probe

probe(".").detail

# %% [markdown]
# ## Remember
#
# - A lock belongs to a client, not to a rank, and is wider than what was written. So two that never write the same byte can still wait for each other all day.
# - Who is whose neighbour decides: count the borders between clients on each object. Alignment removes the shared unit at a border, not the border.
# - Ranges on Lustre, whole files on CephFS: know what your file system locks. Parts that lie together, a layout that fits or fewer writers help, in this order.
#
# ## Sources
#
# - Lustre's rules: its source, `ldlm_extent.c`, and A. Dilger on the mailing list lustre-discuss; read there. The engine's counts are held to them in the tests; real servers have more rules than these.
# - More than three times as fast: Moore et al. 2018 on Lustre's lockahead ("over 200% better" for small shared-file writes), read in the abstract only.
# - IO500's hard test, records of 47,008 bytes in one shared file: the IO500 repository.
# - CephFS: "Capabilities in CephFS", Ceph's documentation. The counts are those of the metadata server and of the OSDs, on this machine.
# - GPFS's tokens: Schmuck and Haskin, FAST 2002. That BeeGFS doesn't lock ranges between clients is recalled, not re-read.
#
# Next: [07, MPI-IO](07_mpi_io.ipynb) · [All lessons](README.ipynb)
