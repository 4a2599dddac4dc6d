"""One case of ``simgrid_peer.py`` in SimGrid: prints the seconds until all is written.

    python3 benchmarks/simgrid_side.py CASE

``CASE`` is JSON. Needs SimGrid's Python module alone (3.32: Debian's ``python3-simgrid``).
"""

from __future__ import annotations

import json
import sys

from simgrid import Actor, Comm, Engine, LinkInRoute, NetZone, Semaphore, this_actor

OPTIONS = ("network/model:CM02", "network/TCP-gamma:1e18", "network/crosstraffic:0")
"""Links carry what they are said to carry, without a model of TCP."""


class Site:
    """Clients and targets around a switch; each thing has a place to wait for one's turn."""

    def __init__(self, case):
        self.case, self.turns = case, {}
        zone = NetZone.create_full_zone("zone")
        self.switch = zone.create_host("switch", 1e9)
        kinds = {"client": case["clients"], "target": case["targets"]}
        self.hosts = {
            (kind, number): self._host(zone, kind, number)
            for kind, count in kinds.items()
            for number in range(count)
        }
        speed = case["target_bandwidth"]
        self.disks = [
            self.hosts["target", number].create_disk(f"disk {number}", speed, speed).seal()
            for number in range(case["targets"])
        ]
        zone.seal()

    def _host(self, zone, kind, number):
        host = zone.create_host(f"{kind} {number}", 1e9)
        speed = self.case["client_bandwidth" if kind == "client" else "server_bandwidth"]
        link = zone.create_link(f"link {kind} {number}", speed or 1e18).set_latency(0).seal()
        zone.add_route(host.netpoint, self.switch.netpoint, None, None, [LinkInRoute(link)], True)
        return host

    def use(self, what, act):
        """Do something, one after the other unless all share what they use."""
        if self.case["share"]:
            act()
            return
        turn = self.turns.setdefault(what, Semaphore(1))
        turn.acquire()
        act()
        turn.release()


class Lane:
    """One of the requests that a client has in flight to a target, again and again."""

    def __init__(self, site, client, target, left):
        self.site, self.client, self.target, self.left = site, client, target, left

    def __call__(self):
        """Send, wait for the disk, and hear of it, until nothing is left."""
        size, latency = self.site.case["size"], self.site.case["latency"]
        client, target = ("client", self.client), ("target", self.target)
        hosts, disk = self.site.hosts, self.site.disks[self.target]
        while self.left[0]:
            self.left[0] -= 1
            self.site.use(client, lambda: Comm.sendto(hosts[client], self.site.switch, size))
            this_actor.sleep_for(latency)
            self.site.use(target, lambda: Comm.sendto(self.site.switch, hosts[target], size))
            self.site.use(self.target, lambda: disk.write(size))
            this_actor.sleep_for(latency)


def main():
    engine = Engine(["simgrid_side", *(f"--cfg={option}" for option in OPTIONS)])
    site = Site(json.loads(sys.argv[1]))
    for client, target, count in site.case["requests"]:
        left = [count]
        for _ in range(min(count, site.case["flying"])):
            host = site.hosts["client", client]
            Actor.create("lane", host, Lane(site, client, target, left))
    engine.run()
    print(Engine.clock)


if __name__ == "__main__":
    main()
