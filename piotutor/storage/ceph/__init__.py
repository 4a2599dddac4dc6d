"""A real Ceph on this machine's loopback, for a while, without root and without a mount."""
