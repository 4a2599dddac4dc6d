"""Contract suites for those who add a kernel: subclass, name it, run pytest."""
