"""How ranks start and stop: the launcher, the guard, the queue, and the ranks' program."""
