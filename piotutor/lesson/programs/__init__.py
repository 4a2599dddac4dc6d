"""Programs that lessons run and record: short, real, and as a user would write them.

They are started by path, never imported; what they do with a file is seen from outside.
"""
