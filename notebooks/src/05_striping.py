# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which server has my byte?
#
# **Lesson 05 · Striping · 45 minutes**
#
# On ARCHER, a supercomputer in Edinburgh, 128 clients wrote one shared file at 683 MiB/s while it lay on one disk server. Then it was laid over all 48, and the same writes went at 4,186 to 11,625, from
# run to run. The program hadn't been touched, only where its bytes went.
#
# **What you will do.** You lay one file over four real storage servers, and let the servers count what each of them gets. You foretell it with a rule of one line. Then one
# server becomes slow, and you say beforehand how long everybody waits. At last you find, in a published table, when one file is better and when many are.
#
# **What you need.** This notebook. A *rank* is one of the processes of a parallel job, counted from 0. An *offset* is a place in a file: the number of bytes in front of it. (Lessons 00
# and 04 show both.) A *MiB* is 1,048,576 bytes, and a *KiB* is 1,024.

# %%
import piotutor as pio

lesson = pio.Lesson("05")
lesson

# %% [markdown]
# ## 1. Servers
#
# *4 minutes. Skip this if late: no, start them while you talk.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "A disk of your own is one device. A parallel file system is many servers with many disks, and a file may lie on several of them. What we start here isn't a toy: it is Ceph, the same programs that
# run in computing centres, only four small servers on this machine. Each gets a speed limit, as a real one has by nature."
#
# </details><br>
#
# A *parallel file system* keeps files on many servers at once. Each storage server looks after one or more disks, and such a disk is called a *target*. In Lustre, a file system of many large
# machines, a target is an *OST* (object storage target). In Ceph, another such system, it is an *OSD* (object storage daemon). One more server knows the names, and which file lies where: the
# *metadata server*. The bytes of a file never pass through it.
#
# The next cell starts a real Ceph on this machine, with four OSDs. It takes some seconds, needs no special rights, and ends with the lesson. Each OSD's network is limited to 8 MiB/s, since
# four servers that share the processor of one machine have no speed of their own. If your files lie on a Lustre, its servers are taken instead. What can't be had or can't be
# shown here is said, with the reason.

# %%
servers = await lesson.servers(4, rate="8m")
servers

# %% [markdown]
# ## 2. The rule
#
# *4 minutes. Skip this if late: no, this is what the lesson is about.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Dealing cards. The file is cut into stripes of the same size, and they are dealt out: one for you, one for you, one for you, one for you, and round again. Two numbers say it all: how large a stripe
# is, and how many players there are. What each player holds in the end is called an object."
#
# </details><br>
#
# A file is cut into pieces of the same size. Such a piece is a *stripe*; its size is the stripe size, or *stripe unit* in Ceph. The stripes are dealt out like cards, one after the other,
# round and round. The *stripe count* says to how many players. What one player holds of a file in the end is an *object*: stripe 0, and then every fourth, in the first object, if the
# count is 4.
#
# So the rule gives the number of an object in the file's own list, counted from 0. On which server that object lies is drawn anew for each file, so that not all files begin on
# the same server.
#
# Now the job. Four ranks write one file of 16 MiB together, in turns of 1 MiB: first rank 0, then 1, 2, 3, then 0 again. That was lesson 04. Which rank writes byte 16,400,000?

# %%
shared = {"num_tasks": 4, "block_size": "1m", "transfer_size": "1m", "segment_count": 4}
turns = pio.Workload.make(write=True, fsync=True, **shared)
lesson.map(turns)

# %% [markdown]
# ## 3. Predict
#
# *4 minutes. Skip this if late: no, but a show of hands is enough.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Byte sixteen million four hundred thousand. To the first server, because that one isn't full yet? To the server of the rank that writes it? To all of them, to be safe? Hands, please. Your answer is locked when the run begins."
#
# </details><br>
#
# Stripes of 64 KiB, stripe count 4. Your predictions are locked when the run that answers them begins. Where does the byte go?

# %%
lesson.predict("owner")

# %% [markdown]
# And with a stripe count of 2, on the same four servers:

# %%
lesson.predict("share")

# %% [markdown]
# ## 4. Run: over four
#
# *5 minutes. Skip this if late: no.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "On top the file as a ribbon, cut into stripes; below, where they landed. Follow one call of one rank: it is sixteen stripes long, four for each server. So every rank works with every server. Nobody has a server
# of their own. The strips below are the servers over time: all four work, and all four get the same."
#
# </details><br>
#
# Two pictures. The first is the *ribbon*: the file from left to right, cut into stripes, and below it how it folds onto the objects and their servers. The second has a strip for each server, from
# left to right over time: the brighter, the more bytes. Does any server ever rest while the others work?

# %%
views = ("ribbon", "targets")
four = await lesson.watch(turns, "four", storage=servers.striped(4), views=views)

# %% [markdown]
# The servers counted themselves what they got, and the map of the bytes is the file system's own. Here is your first prediction:

# %%
lesson.compare("owner")

# %% [markdown]
# ## 5. Run: over two, over one
#
# *4 minutes. Skip this if late: show the table of the next step only.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Same servers, same bytes, other count. Two servers get eight megabytes each, and two get nothing at all. Then one gets everything: and that one is the default in many places. Three quarters of what was paid for stands idle."
#
# </details><br>
#
# The stripe count is settled when a file is made, and stays. A new file, with 2. How many strips are dark now?

# %%
two = await lesson.watch(turns, "two", storage=servers.striped(2), views=views)

# %% [markdown]
# And with 1. This is what many Lustre systems give to a file when nobody asks for anything. The ranks are still four:

# %%
one = await lesson.watch(turns, "one", storage=servers.striped(1), views=views)

# %% [markdown]
# ## 6. Look
#
# *4 minutes. Skip this if late: show the table.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Read the counts first. Four times four, two times eight, one times sixteen: and it is exactly what the rule says, to the byte. Then the two columns on the right: what the busiest server needs, and what the write took.
# The second follows the first."
#
# </details><br>
#
# One line for each run. First what each server wrote, by its own count; then whether the rule, which knows only the layout, says the same.
#
# - Compare the counts of the three runs. How many bytes does the busiest server have in each?
# - Divide that by 8 MiB/s: this is the column "slowest server needs". Is the order of the runs the same in the last column?
# - A write takes longer than its slowest server needs, as there is more to do than to move bytes, and this machine may have other work. It can hardly be shorter.
#
# The counts are exact in each run. The times are real ones of real traffic. Where servers can't be slowed, the last columns say "inconclusive here", as then one processor does the work of all
# four servers, and their number changes nothing.

# %%
lesson.shares("four", "two", "one")

# %%
lesson.compare("share")

# %% [markdown]
# ## 7. Predict, and run: one slow server
#
# *5 minutes. Skip this if late: no, this is the point.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "One of the four is now four times slower: an old disk, a rebuild, somebody else's job. It has a quarter of the file, as before. Every call needs all four, so every call waits for it, and the quick ones
# stand idle in between. And the time? That of a file on a single server: all our striping is gone. One straggler is enough."
#
# </details><br>
#
# On a large machine, some server is always slower than the others: its disk is old, or repairs itself, or another job keeps it busy. Such a one is a *straggler*. OSD 2 now gets 2 MiB/s
# instead of 8. First your prediction:

# %%
lesson.predict("late")

# %% [markdown]
# Each call of 1 MiB has a part on each server, and is done when its last part is. What do the three quick servers do while OSD 2 still works?

# %%
late = await lesson.watch(turns, "late", storage=servers.slowed(2, "2m"), views=views)

# %%
lesson.compare("late")

# %% [markdown]
# ## 8. Explain
#
# *5 minutes. Skip this if late: no.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Three lines of arithmetic. Which stripe: divide by the stripe size. Which object: what is left when you divide that by the count. And the time: bytes over rate for each server, and the largest of these. Not the sum, not the
# mean: the largest."
#
# </details><br>
#
# The two slashes divide and round down; `%` is what is left over. For the byte at `offset`:
#
# - **`stripe = offset // stripe_unit`**
# - **`object = stripe % stripe_count`**, its number in the file's list
# - **`object offset = (stripe // stripe_count) * stripe_unit + offset % stripe_unit`**
#
# For byte 16,400,000: `16400000 // 65536` is 250, and `250 % 4` is 2, so it is in the third object, number 2. There 62 stripes lie before its own. Find stripe 250 in the first ribbon.
#
# The time of a write is that of the server which is done last: **the largest of bytes / rate** over all servers. With the same rate and the same share for all it is `size / (count x rate)`: twice the
# count, half the time. This ends when something else is slower than all servers together: the network of the nodes, the ranks, the memory. And with one slow server it is that server's time:
#
# - one server, 16 MiB at 8 MiB/s: 2 s
# - four servers, 4 MiB each at 8 MiB/s: 0.5 s
# - four servers, one of them at 2 MiB/s: the largest of 0.5, 0.5, 2 and 0.5 s: 2 s
#
# The last line is the first again. In the table, compare `late` with `one`:

# %%
lesson.shares("one", "four", "late")

# %% [markdown]
# ## 9. Try
#
# *4 minutes. Skip this if late: yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Make the stripe as large as a rank's turn, and each rank does have a server of its own: not because servers know ranks, but because the numbers happen to fit. Then two ranks instead of four: same bytes, same
# servers. The layout doesn't care who writes."
#
# </details><br>
#
# **A larger stripe.** With stripes of 1 MiB, each call of a rank is exactly one stripe. Which servers does rank 1 meet now? Above the ribbon, let the colours stand for
# the rank that wrote a stripe. Do the bytes of each server change?

# %%
wide = await lesson.watch(turns, "wide", storage=servers.striped(4, "1m"), views=views)

# %% [markdown]
# **Fewer ranks.** Two ranks write the same 16 MiB. What will each server count?

# %%
half = turns.replace(num_tasks=2, segment_count=8)
pair = await lesson.watch(half, "pair", storage=servers.striped(4), views=views)

# %%
lesson.shares("four", "wide", "pair")

# %% [markdown]
# The bytes are the same in all three: where a byte lies depends on its offset and on the layout, and on nothing else. What does change is who talks to whom: with 64 KiB every rank meets every
# server, with 1 MiB each rank meets one. So `wide` may take longer although its slowest server needs no more: the rule is what the servers need at least, and ranks that wait for each other, as
# those who share a file do, don't use all servers at once. The counts don't tell who waited for whom, so why it takes longer is inconclusive here. ([Lesson 06](06_locks.ipynb) is about that: locks.)
#
# ## 10. Exercise: find the byte
#
# *3 minutes. Skip this if late: do it together, on the screen.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Twelve million. Which stripe, which object, where in the object? Mind the last part: whole stripes of this object first, then what is left."
#
# </details><br>
#
# Stripe unit 65,536, stripe count 4, as in the first run. In which object of the file lies byte 12,000,000, and at which offset in this object? The check also asks the file system's own map of the run `four`.
#
# <details><summary>Hint 1</summary>
#
# Begin with the number of the stripe: `byte // unit`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `stripe % count` is the object. In it, `stripe // count` whole stripes lie before this one.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Stripe 183; 183 = 45 x 4 + 3; and 12,000,000 - 183 x 65,536 = 6,912 bytes into the stripe.
#
# </details>

# %% tags=["exercise"]
byte, unit, count = 12_000_000, 65_536, 4
answer = {"object": ..., "object offset": ...}
pio.check("05.place", answer, lesson)

# %% tags=["solution"]
byte, unit, count = 12_000_000, 65_536, 4
stripe = byte // unit
answer = {"object": stripe % count, "object offset": stripe // count * unit + byte % unit}
pio.check("05.place", answer, lesson)

# %% [markdown]
# ## 11. Exercise: one file or many?
#
# *3 minutes. Skip this if late: give it as homework.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "File per process: each rank has a file of its own, on one server each. With few ranks that wins eight to one. Then the shared file, over all servers, wins. And with twelve thousand writers it turns round again.
# There is no best way; there is a number of writers. And one figure in that table nobody should believe."
#
# </details><br>
#
# So far, one file for all. The other way is *file per process*: each rank makes its own file. With a stripe count of 1 each file lies on one server, and many files still use all of them. Both ways were
# measured on ARCHER, whose file system is a Lustre (highest write rates, MiB/s):
#
# | writers | file per process, stripe count 1 | one shared file, over all OSTs |
# | --- | --- | --- |
# | 24 | 5,928.5 | 737.9 |
# | 768 | not in our table | 16,144.4 |
# | 1,536 | 11,929.5 | 16,433.6 |
# | 12,288 | 12,326.2 | 6,024.1 |
#
# One more figure stands in the same files: 81,236 for file per process with IOR, over all OSTs. It is five times the best of all others. Nothing shows that these writes were synced, so it is almost certainly the
# memory of the nodes, not the disks. (Lesson 01 is about that.) In the picture it is the dotted line.

# %%
lesson.published()

# %% [markdown]
# Twice one way passes the other. Between which two numbers of writers does each of them come out ahead? Give numbers at which both were measured, as `(24, 1536)`.
#
# <details><summary>Hint 1</summary>
#
# At 24 writers file per process is ahead: 5,928.5 against 737.9, eight to one.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Both ways were measured at 24, at 1,536 and at 12,288 writers. Who is ahead at each?
#
# </details>
# <details><summary>Hint 3</summary>
#
# The shared file is ahead at 1,536 only. So it passes before that, and is passed after it.
#
# </details>

# %% tags=["exercise"]
answer = {"one shared file": ..., "file per process": ...}
pio.check("05.overtakes", answer)

# %% tags=["solution"]
answer = {"one shared file": (24, 1536), "file per process": (1536, 12288)}
pio.check("05.overtakes", answer)

# %% [markdown]
# Why? With few writers, each of them fills its own file as fast as its node can, while a shared file makes them agree on locks. With more writers the servers are the limit, and a file over all of
# them loads them evenly, where single files fall on servers by luck. With very many, all of them want locks of the same objects again. The table alone doesn't prove this: it shows
# that it turns round, twice.
#
# Stop the servers, and give the memory back:

# %%
lesson.clean()

# %% [markdown]
# ## 12. On a cluster
#
# *2 minutes. Skip this if late: yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Set the layout on the directory before the run, and look at the file afterwards. One large shared file: many stripes. Many small files: one each. And before you ask for all servers, think of the straggler."
#
# </details><br>
#
# A layout is given to a directory, before the run: new files inherit it. It can't be changed for a file that has bytes. On Lustre `-c` is the count (-1: all) and `-S` the size; the third line shows what a file
# really got, and on which OSTs:
#
# ```
# lfs setstripe -c 4 -S 1m /scratch/me/run
# mpiexec -n 64 ./simulation /scratch/me/run/result.dat
# lfs getstripe /scratch/me/run/result.dat
# lfs df -h /scratch                              # how many OSTs there are, and how full
# ```
#
# The same through MPI-IO, where its driver obeys (lesson 07 shows how to tell), and on BeeGFS and CephFS:
#
# ```
# echo "striping_factor 4"     >> romio_hints     # stripe count
# echo "striping_unit 1048576" >> romio_hints     # stripe size
# export ROMIO_HINTS=$PWD/romio_hints
# beegfs-ctl --setpattern --numtargets=4 --chunksize=1m /scratch/me/run
# beegfs-ctl --getentryinfo /scratch/me/run/result.dat
# setfattr -n ceph.dir.layout.stripe_count -v 4 /mnt/cephfs/run
# ```
#
# piotutor does it for one run, and looks whether it came to be: `piotutor run -n 4 --storage lustre:stripe_size=1m,stripe_count=4`. What is under this notebook?

# %%
from piotutor.storage.probe import probe

probe(".").detail

# %% [markdown]
# ## Remember
#
# - The offset decides on which server a byte lies: `offset // stripe_unit % stripe_count`. Neither the rank nor the load does.
# - The time is that of the slowest server: the largest of bytes / rate. More servers help until something else limits, and one straggler undoes it.
# - One file or many: it depends on the number of writers, and it turns round twice. Measure, and doubt what is too good.
#
# ## Sources
#
# - The rule: the Lustre manual, "Managing File Layout (Striping) and Free Space", recalled here, and Ceph's documentation, "File striping". The tests hold it against the map that Ceph itself gives.
# - ARCHER: ARCHER-CSE/parallel-io, CSV files of benchio (the table) and IOR (128 clients, one shared file: 683 MiB/s at stripe count 1, seven runs of 4,186 to 11,625 at all). Read there. Why it turns
#   round isn't in these files: that is our reading. They also have 8,360 at stripe count 4, more than four servers could write (2,560 in theory): the clients' memory, as lesson 01 tells. With more to write it was 1,351.
# - Default stripe counts: documentation of Lustre sites; yours may differ. `lfs getstripe -d` tells.
# - Bytes of each server: its own counters (`perf dump`). Times: ranks' calls, with each OSD's traffic limited by the kernel (`tc`).
#
# Next: [06, Locks and alignment](06_locks.ipynb) · [All lessons](README.ipynb)
