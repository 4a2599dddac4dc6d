# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Start here
#
# piotutor is a course in parallel I/O: how thousands of processes read and write files together, and why it is sometimes slow. You learn it
# by doing it. Each lesson is a notebook with one question, one prediction, one real run that you watch, one explanation, and one exercise
# with a check that tells you why.
#
# You need no machine but your own. Open the first lesson, and run its cells from top to bottom with *Shift* and *Enter*.
#
# | lesson | question | minutes |
# | --- | --- | --- |
# | [00 · Know your lab](00_know_your_lab.ipynb) | Who wrote this byte? | 20 |
# | [01 · What did you measure?](01_what_did_you_measure.ipynb) | Was it the disk, or memory? | 25 |
# | [02 · Queues](02_queues.ipynb) | How many requests at once? | 25 |
# | [03 · The hardware](03_hardware.ipynb) | What does one small write cost? | 30 |
# | [04 · The language of patterns](04_the_language_of_patterns.ipynb) | Which bytes are mine? | 45 |
# | [05 · Striping](05_striping.ipynb) | Which server has my byte? | 45 |
# | [06 · Locks and alignment](06_locks.ipynb) | Who has the lock? | 45 |
# | [07 · MPI-IO](07_mpi_io.ipynb) | How many system calls is one write? | 25 |
# | [08 · HDF5](08_hdf5.ipynb) | What did HDF5 do with my array? | 45 |
#
# The words of the trade are in the [glossary](glossary.ipynb).
#
# **For lecturers.** Every step of a lesson has its minutes, a line that says whether it may be skipped, and a folded two-minute version to lecture
# from. 00 and 01 fill one slot of 45 minutes, 02 and 03 a second one (of 02 then steps 2, 3, 4 and 6, of 03 steps 1 to 7 and 9), 04, 05 and 06 one each, 07 and 08 together another one: of 08 then steps 3, 4, 7 and 8. For a projector, start JupyterLab with `PIOTUTOR_PROJECTOR=1` in its environment: large type, thick lines.
#
# **When it doesn't work.** Run `piotutor doctor` in a terminal: it says what is missing, and how to get it. A lesson whose job can't run here shows a
# recorded one instead, and says so.
#
# This cell shows how far you have come. What you predicted and passed is kept in a file of your own, and sent nowhere.

# %%
from piotutor.lesson import Progress

Progress()
