"""Write 64 records of 4 KiB, and wait until the disk has each: python hops.py FILE HOW MIB.

HOW is ordered (one behind the other), scattered (anywhere in the file's first MIB mebibytes) or
together (all of them in one call).
"""

import os
import random
import sys

name, how, mib = sys.argv[1], sys.argv[2], int(sys.argv[3])
places, size = list(range(64)), 4096
if how == "scattered":
    places = random.Random(1).sample(range(mib * 256), 64)
if how == "together":
    places, size = [0], 64 * 4096
file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_DSYNC)
for place in places:
    os.pwrite(file, bytes(size), place * 4096)
os.close(file)
