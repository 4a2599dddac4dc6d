# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How many requests at once?
#
# **Lesson 02 · Queues · 25 minutes**
#
# On the machine where this lesson was written, a program reads 4 KiB here and 4 KiB there in a file: 14,000 times a second. A minute later the same disk does
# 70,000 of the same reads a second. The program, the file and the disk are as before. Only one thing changed: how many reads are under way at once. First it was 1, then 64.
#
# **What you will do.** You send reads to a device of which you know everything, first one at a time, then more and more at once. You say beforehand when it
# stops getting faster, and how long each read then takes. Then you do the same to your own disk. At the end one line of arithmetic holds for both.
#
# **What you need.** This notebook, and 64 MiB of disk for two minutes. On a disk that turns, it may take five.

# %%
import piotutor as pio

lesson = pio.Lesson("02")
lesson

# %% [markdown]
# ## 1. The words
#
# *2 minutes. Skip this if late: no.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Think of a baker's shop. How many people are in the shop? How many leave it in a minute, with their bread? And how long is each of them in there, waiting included? These are three numbers, and you may choose
# only two of them. The shop is a disk; the people are requests."
#
# </details><br>
#
# A *request* is one wish to a device: "give me these 4 KiB". Three numbers describe how it fares.
#
# - **N**, how many requests are *in flight*: they have begun, and aren't over. The *queue depth* is how many a program keeps in flight: as soon as one is over, it begins the next.
# - **X**, the *rate*: how many are done in each second. For storage it is often called IOPS, I/O operations per second.
# - **R**, the *latency*: how long one request takes from its beginning to its end. Waiting in the line is part of it.
#
# A program that waits for each read before it begins the next one has a queue depth of 1. Most programs are like that.
#
# ## 2. Predict
#
# *3 minutes. Skip this if late: no, but a show of hands is enough.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Four milliseconds for each, eight at once. I keep sixty-four under way. How long does each of them take? Four milliseconds, says the data sheet. Sixty-four times four, says somebody. Write it down. And: when is it full?"
#
# </details><br>
#
# First a device that is made up, so that you can know all about it. It needs 4 ms for each request, never more or less. It serves eight requests side by side. Whoever comes ninth waits
# until one of the eight is done. Your predictions are locked when the run begins.

# %%
lesson.predict("waits")

# %%
lesson.predict("knee")

# %% [markdown]
# ## 3. Run: a device that we know
#
# *4 minutes. Skip this if late: no.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Left, reads per second. It doubles, doubles, doubles, and then it is flat. In the middle, the time of each: flat first, then it doubles. The same corner, seen twice. Right of the corner nobody gains anything: what
# you add only stands in the line."
#
# </details><br>
#
# Reads need a file. Four ranks (the processes of the job) write one of 64 MiB, and keep it:

# %%
file = str(lesson.scratch / "queue.dat")
whole = {"num_tasks": 4, "block_size": "16m", "transfer_size": "1m"}
fill = pio.Workload.make(write=True, fsync=True, keep=True, test_file=file, **whole)
made = await lesson.watch(fill, "file", views=("throughput",))

# %% [markdown]
# Now one rank reads 4 KiB at a time, at places drawn from the whole file (`random_offset=2`), past the memory of the machine (`direct_io`: lesson 01 says why). It does so seven times: with 1 read in
# flight, then 2, 4 and so on, up to 64. In the rank, each read in flight has a *thread* of its own, a part of a process that can wait while the others go on.

# %%
depths = {"queue_depth": (1, 2, 4, 8, 16, 32, 64), "repetitions": 7}
places = {"block_size": "4k", "transfer_size": "4k", "segment_count": 2048, "random_offset": 2}
deeper = pio.Workload.make(num_tasks=1, read=True, direct_io=True, test_file=file, **depths, **places)

# %% [markdown]
# The made-up device is *emulated*: the reads are real ones of your real file, but each is held back until the device that isn't there would have been done with it. We read 512 pieces at each
# depth. In the picture, watch the left panel and the middle one: which of them rises first, which one later? (The dashed lines, and the D and Dmax beside them, are explained in step 6.)

# %%
fewer = deeper.replace(segment_count=512)
known = await lesson.watch(fewer, "known", views=("queue",), storage="emulated:fixed-latency")

# %% [markdown]
# Compare with what you said:

# %%
lesson.compare("knee")

# %%
lesson.compare("waits")

# %% [markdown]
# ## 4. Predict, and run: your own disk
#
# *4 minutes. Skip this if late: no.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Now a real one. Nobody gave us its data sheet, and the machine's cores are part of the line. So the corner is round, and tomorrow it may be somewhere else. But twice as many in flight, and no more reads a second: what must
# then become of the time? You don't need a disk to know that."
#
# </details><br>
#
# Your own disk comes without numbers. But one thing can be said of it before it is measured:

# %%
lesson.predict("twice")

# %% [markdown]
# The same reads, more of them, and nobody holds them back. Does the left panel bend at one place, as before, or slowly? What does the middle one do meanwhile?

# %%
disk = await lesson.watch(deeper, "disk", views=("queue",), capture="none")

# %%
lesson.compare("twice")

# %% [markdown]
# ## 5. Look
#
# *3 minutes. Skip this if late: yes, if the pictures were seen.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Three columns that were measured in three ways: by looking how many are under way, by counting how many end, and with a stopwatch on each. Nobody computed one from the others. Now take a pocket calculator, and
# multiply the last two."
#
# </details><br>
#
# The three numbers were measured apart. **N**: at 2,000 moments it was counted how many reads had begun and weren't over. **X**: ends were counted. **R**: every read has its own clock.
#
# - In a line of the table, multiply X by R. Which column do you get?
# - In `known`, go down from 8 to 64. Which number stays, and which one goes along with N?
# - In `disk`, X may fall now and then where N grows: a machine has other work, too. The product still fits.

# %%
lesson.sweep("known", "disk")

# %% [markdown]
# ## 6. Explain
#
# *3 minutes. Skip this if late: no.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "N equals X times R: people in the shop, people per minute, minutes in the shop. It is true for every line there is. And then two straight lines that nobody can pass: with few in flight nobody waits, with many the slowest part never
# rests. Where they meet is the right depth. Less is lost speed, more is lost time."
#
# </details><br>
#
# **`N = X R`** is *Little's law*. Draw it as a rectangle: X wide, R high, and N is its area. It holds for every line, whatever stands in it, as long as what comes in goes out again.
# The right panel of the pictures shows two such rectangles: past the corner they only get higher.
#
# Two more numbers say what is possible. **D**, the *demand*, is how long a request takes that meets no other one: here 4 ms. **Dmax** is the time from one end to the next at the busiest
# part, when that part never rests: here eight end every 4 ms, so 0.5 ms.
#
# - With few in flight nobody waits: R = D, so **X = N / D** at most.
# - With many in flight the busiest part never rests: **X = 1 / Dmax** at most, and so R = N Dmax at least.
#
# The two lines meet at the *knee*: **N = D / Dmax**, here 8. Left of it the device is partly idle. Right of it, requests wait for nothing gained. Here are both lines, worked out from
# 4 ms and 0.5 ms alone, and the dots that were measured:

# %%
lesson.sweep("known").picture(demand=0.004, slowest=0.0005)

# %% [markdown]
# Of your own disk we know neither D nor Dmax. Its picture above takes D from the reads with N = 1, and Dmax from the best X that was seen. The knee that comes out of this is inconclusive here: where cores are
# few, it is they who limit, and not the disk, and other programs use them, too. On the machine of this lesson, two cores, it lay between 2.5 and 11 in 28 runs. The law is steadier: at the depth of 64
# it was off by less than 2 percent in 24 of them, while other programs kept both cores busy.
#
# ## 7. Try
#
# *3 minutes. Skip this if late: the first, no, as the exercise needs it; the second, yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "Put the device at the end of a long cable. It isn't slower: it still does two thousand a second. But it wants more in flight, as half of them are on the road. That is every remote file system. And larger pieces: fewer of them, but more bytes."
#
# </details><br>
#
# **Farther away.** The same device, behind a network: 2 ms for a request to get there, 2 ms for the answer to come back. On the way nobody has to wait for anybody. Does the highest X change? Where is the
# knee now?

# %%
cable, fewest = "emulated:machine=fixed-latency:latency=0.002", deeper.replace(segment_count=256)
far = await lesson.watch(fewest, "far", views=("queue",), storage=cable)

# %% [markdown]
# **Larger pieces.** On your own disk, 64 KiB at a time instead of 4. Compare with the table above: what became of the reads per second, and what of the bytes?

# %%
larger = {"block_size": "64k", "transfer_size": "64k", "segment_count": 512}
wider = deeper.replace(**larger, queue_depth=(1, 8, 64), repetitions=3)
wide = await lesson.watch(wider, "wide", views=("queue",), capture="none")
lesson.sweep("wide")

# %% [markdown]
# ## 8. Exercise: the third number
#
# *2 minutes. Skip this if late: do it together, on the screen.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "I give you how many were in flight, and how long each took. How many a second? Don't look at the table; the check does."
#
# </details><br>
#
# The first line gives `n` and `r`, N and R of your own disk at the depth of 64; `r` is in seconds. How many reads a second did it do? Put the formula in place of the dots. The check compares with the ends that were counted.
#
# <details><summary>Hint 1</summary>
#
# `N = X R`, and X is wanted.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Divide both sides by R.
#
# </details>
# <details><summary>Hint 3</summary>
#
# In the made-up device: 64 in flight, 0.032 s each: 64 / 0.032 = 2,000 a second. Now with `n` and `r`.
#
# </details>

# %% tags=["exercise"]
n, r = lesson.sweep("disk").at(64)
reads_per_second = ...
pio.check("02.rate", reads_per_second, lesson)

# %% tags=["solution"]
n, r = lesson.sweep("disk").at(64)
reads_per_second = n / r
pio.check("02.rate", reads_per_second, lesson)

# %% [markdown]
# ## 9. Exercise: the knee of the far device
#
# *2 minutes. Skip this if late: give it as homework.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "How long does a lonely read take? There, service, back. How often does the device end one when it never rests? Divide. Then look into the picture of the far device: is the corner there?"
#
# </details><br>
#
# For the device behind the network (2 ms there, 4 ms for each of eight at once, 2 ms back), give D and Dmax in ms, and the knee. The check looks into your run `far` as well.
#
# <details><summary>Hint 1</summary>
#
# D is all that one read meets if it is alone: the way there, the service, the way back.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The network takes any number at a time, so nobody waits there. Only the device counts for Dmax.
#
# </details>
# <details><summary>Hint 3</summary>
#
# D = 2 + 4 + 2. Dmax = 4 / 8. The knee is D / Dmax.
#
# </details>

# %% tags=["exercise"]
answer = {"D": ..., "Dmax": ..., "knee": ...}
pio.check("02.knee", answer, lesson)

# %% tags=["solution"]
demand, slowest = 2 + 4 + 2, 4 / 8
answer = {"D": demand, "Dmax": slowest, "knee": demand / slowest}
pio.check("02.knee", answer, lesson)

# %% [markdown]
# Give the disk back what you borrowed:

# %%
lesson.clean()

# %% [markdown]
# ## 10. On a cluster
#
# *2 minutes. Skip this if late: yes.*
#
# <details><summary>Two-minute version, to lecture from</summary>
#
# "A server that is 5 ms away, and each client keeps eight requests of one megabyte in flight: 1,600 a second, and that is all it will ever see of it. Nobody's disk is slow there. Turn the number in flight up, or take more clients."
#
# </details><br>
#
# A parallel file system is far away, so it wants many in flight. A client of Lustre keeps 8 requests in flight to each server's disk by default. If each takes 5 ms, `X = N / R` = 8 / 0.005 = 1,600 a second. With 1 MiB in each
# this is 1.6 GiB/s from one disk to one client, however fast that disk is. More ranks on the same node don't help, as they share these eight. More nodes do.
#
# How to see it on Lustre, and how others measure queue depths: fio, elbencho, and piotutor itself.
#
# ```
# lctl get_param osc.*.max_rpcs_in_flight
# fio --name=deep --filename=/scratch/me/file --rw=randread --bs=4k --direct=1 --ioengine=libaio --iodepth=32
# elbencho -r --rand -b 4k --direct --iodepth 32 /scratch/me/file
# piotutor run -n 1 -r -z -z -t 4k -b 4k -s 2048 --posix.odirect --queue-depth 1,8,64 -i 3 -o /scratch/me/file
# ```
#
# Each rank can have a depth of its own: 4 ranks with a depth of 16 are 64 in flight. Is Lustre's tool here?

# %%
import shutil

shutil.which("lctl") or "no Lustre client on this machine"

# %% [markdown]
# ## Remember
#
# - N = X R: in flight, per second, time of each. Two of them give the third, always.
# - More in flight is more per second, up to the knee D / Dmax. Past it, more is only more waiting.
# - A fast device that is far away wants many requests in flight. One at a time shows you the distance, not the device.
#
# ## Sources
#
# - Little 1961 (the law); Denning and Buzen 1978, Lazowska and others 1984 (the two bounds). All recalled here, not read again; the tests hold the emulated device to them.
# - 14,000 and 70,000 reads a second: measured on a virtual machine with two cores, ext4, O_DIRECT, 64 MiB. Knees between 2.5 and 11: 28 runs of this lesson's sweep there, while other programs kept both cores
#   busy. In the same 28 rounds the knee of the known device lay between 7.8 and 8.2, that of the far one between 16.1 and 16.9, and once at 21.
# - Lustre's 8 requests in flight: the Lustre manual, recalled. 5 ms is a round figure for the arithmetic.
#
# Next: [03, The hardware](03_hardware.ipynb) · [All lessons](README.ipynb)
