"""Three boxes in a row, ``left - box - right``, real and ours, with the same rules on the box and the same probes."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from typing import NamedTuple

from k8slearn.journal import Command, Put, World, drive
from k8slearn.linux import addr, link, route, socket
from k8slearn.linux.rows import Neighbour, Netns, Route, Socket
from k8slearn.shell import run

MACHINE = "node:m"
BOXES = ("left", "box", "right")
WIRES = (("left", "eth0", "box", "left"), ("right", "eth0", "box", "right"))
NUMBERS = {
    ("left", "eth0"): ("10.9.0.2/24", "fd09::2/64"),
    ("box", "left"): ("10.9.0.1/24", "fd09::1/64"),
    ("right", "eth0"): ("10.9.1.2/24", "fd09:1::2/64"),
    ("box", "right"): ("10.9.1.1/24", "fd09:1::1/64"),
}
GATEWAYS = {"left": ("10.9.0.1", "fd09::1"), "right": ("10.9.1.1", "fd09:1::1")}
LISTENERS = (("tcp", 80), ("tcp", 81), ("udp", 53))
PATIENCE = 0.4


class Probe(NamedTuple):
    source: str
    address: str
    port: int
    proto: str


class Answer(NamedTuple):
    outcome: str
    source_seen: str | None
    port_reached: int | None


SERVER = """
import socket, threading
def tcp(port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::", port)); s.listen(64)
    def serve():
        while True:
            c, peer = s.accept()
            try: c.sendall(f"{peer[0].removeprefix('::ffff:')} {port}".encode())
            except OSError: pass
            c.close()
    threading.Thread(target=serve, daemon=True).start()
def udp(port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(("::", port))
    s.setsockopt(socket.IPPROTO_IPV6, 49, 1)  # IPV6_RECVPKTINFO: answer from the address that was asked
    def serve():
        while True:
            data, control, flags, peer = s.recvmsg(100, 200)
            words = f"{peer[0].removeprefix('::ffff:')} {port}".encode()
            info = [(a, b, c[:16] + bytes(4)) for a, b, c in control if (a, b) == (41, 50)]
            try: s.sendmsg([words], info, 0, peer)
            except OSError: pass
    threading.Thread(target=serve, daemon=True).start()
tcp(80); tcp(81); udp(53)
print("ready", flush=True)
threading.Event().wait()
"""
CLIENT = """
import json, socket, sys, threading
def ask(probe, out, at):
    address, port, proto = probe
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(PATIENCE)
    try:
        s.connect((address, port))
        if proto == "udp": s.send(b"x")
        out[at] = ["connected", *s.recv(100).decode().split()]
    except ConnectionRefusedError: out[at] = ["refused"]
    except TimeoutError: out[at] = ["timeout"]
    except OSError as error: out[at] = ["unreachable"]
probes = json.loads(sys.argv[1]); out = [None] * len(probes)
threads = [threading.Thread(target=ask, args=(p, out, i)) for i, p in enumerate(probes)]
[t.start() for t in threads]; [t.join() for t in threads]
print(json.dumps(out))
"""


class RealBoxes:
    """Namespaces of this kernel, named so that nobody else's are touched."""

    def __init__(self, prefix: str) -> None:
        self.prefix, self.servers = prefix, list[subprocess.Popen[str]]()
        self.close()
        for box in BOXES:
            self.sh(f"ip netns add {prefix}{box}")
            self.inside(box, "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0")
            self.inside(
                box, "sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 net.ipv4.conf.all.rp_filter=0"
            )
            self.inside(box, "ip link set lo up")
        for a, dev, b, far in WIRES:
            self.sh(f"ip link add {dev} netns {prefix}{a} type veth peer name {far} netns {prefix}{b}")
        for (box, dev), addresses in NUMBERS.items():
            for address in addresses:
                self.inside(box, f"ip addr add {address} dev {dev}" + (" nodad" if ":" in address else ""))
            self.inside(box, f"ip link set {dev} up")
        for box, (gateway, gateway6) in GATEWAYS.items():
            self.inside(box, f"ip route add default via {gateway}")
            self.inside(box, f"ip -6 route add default via {gateway6}")
        self.inside("box", "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        self.settle()
        for box in BOXES:
            self.serve(box)

    def settle(self) -> None:
        """Neighbours that are known for good: rules may drop the discovery of IPv6's, which is not the question."""
        macs = {place: self.mac(*place) for place in NUMBERS}
        for a, dev, b, far in WIRES:
            for (box, link_name), other in (((a, dev), (b, far)), ((b, far), (a, dev))):
                for address in NUMBERS[other]:
                    words = f"{address.partition('/')[0]} lladdr {macs[other]} dev {link_name} nud permanent"
                    self.inside(box, f"ip neigh replace {words}")
        deadline = time.monotonic() + 10
        ping = ["ip", "netns", "exec", f"{self.prefix}left", "ping", "-6", "-c1", "-W1", "fd09:1::2"]
        while subprocess.run(ping, capture_output=True, check=False).returncode and time.monotonic() < deadline:
            time.sleep(0.1)

    def mac(self, box: str, dev: str) -> str:
        return str(json.loads(self.inside(box, f"ip -j link show {dev}"))[0]["address"])

    def serve(self, box: str) -> None:
        command = ["ip", "netns", "exec", self.prefix + box, "python3", "-c", SERVER]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        self.servers.append(server)

    def sh(self, line: str, stdin: str = "") -> str:
        done = subprocess.run(line.split(), input=stdin, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, f"{line}: {done.stderr}"
        return done.stdout

    def inside(self, box: str, line: str, stdin: str = "") -> str:
        return self.sh(f"ip netns exec {self.prefix}{box} {line}", stdin)

    def rules(self, text: str) -> None:
        self.inside("box", "nft flush ruleset")
        self.inside("box", "nft -f -", text)
        self.inside("box", "conntrack -F")

    def ask(self, probes: list[Probe], patience: float = PATIENCE) -> list[Answer]:
        """All from one box at once."""
        found: dict[Probe, Answer] = {}
        for box in {probe.source for probe in probes}:
            mine = [probe for probe in probes if probe.source == box]
            asked = json.dumps([probe[1:] for probe in mine])
            client = CLIENT.replace("PATIENCE", str(patience))
            command = ["ip", "netns", "exec", self.prefix + box, "python3", "-c", client, asked]
            said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
            found |= {p: _answer(*words) for p, words in zip(mine, json.loads(said), strict=True)}
        return [found[probe] for probe in probes]

    def close(self) -> None:
        for server in self.servers:
            server.kill()
            server.wait()
        for box in BOXES:
            subprocess.run(["ip", "netns", "del", self.prefix + box], capture_output=True, check=False)


def _answer(outcome: str, seen: str | None = None, port: str | None = None) -> Answer:
    return Answer(outcome, seen, int(port) if port else None)


class OurBoxes:
    """The same as rows of a world."""

    def __init__(self) -> None:
        self.world = World()
        self.world.apply(Put((MACHINE, "netns", ""), Netns("m", MACHINE, ipv6=True)))
        for command in link.add_loopback(MACHINE):
            self.world.apply(command)
        for box in BOXES:
            self.sh(f"ip netns add {box}")
            self.inside(box, "ip link set lo up")
        for a, dev, b, far in WIRES:
            self.sh(f"ip -n {a} link add {dev} type veth peer name {far} netns {b}")
        for (box, dev), addresses in NUMBERS.items():
            for address in addresses:
                self.do(addr.add(self.world, f"{MACHINE}/{box}", dev, address))
            self.inside(box, f"ip link set {dev} up")
        for box, (gateway, gateway6) in GATEWAYS.items():
            dev = "eth0"
            self.do(route.add(self.world, f"{MACHINE}/{box}", Route("0.0.0.0/0", via=gateway, dev=dev)))
            self.do(route.add(self.world, f"{MACHINE}/{box}", Route("::/0", via=gateway6, dev=dev)))
        self.inside("box", "sysctl -qw net.ipv4.ip_forward=1")
        self.world.apply(Put((f"{MACHINE}/box", "sysctl", "net.ipv6.conf.all.forwarding"), "1"))
        self.settle()
        for box in BOXES:
            for proto, port in LISTENERS:
                for address in ("0.0.0.0", "::"):
                    row = Socket(proto, address, port, "python3", box)
                    self.world.apply(Put((f"{MACHINE}/{box}", "socket", (proto, address, port)), row))

    def settle(self) -> None:
        """The same neighbours that are known for good."""
        for a, dev, b, far in WIRES:
            for (box, name), (other, end) in (((a, dev), (b, far)), ((b, far), (a, dev))):
                mac = self.world.get((f"{MACHINE}/{other}", "link", end)).mac
                for cidr in NUMBERS[other, end]:
                    address = cidr.partition("/")[0]
                    row = Neighbour(name, address, mac, "PERMANENT")
                    self.world.apply(Put((f"{MACHINE}/{box}", "neigh", (name, address)), row))

    def do(self, commands: Iterator[Command]) -> None:
        for command in commands:
            self.world.apply(command)

    def sh(self, line: str, stdin: str = "") -> str:
        said = drive(run(self.world, MACHINE, line, stdin), self.world.apply)
        assert said.exit_code == 0, f"{line}: {said.stderr}"
        return said.stdout

    def inside(self, box: str, line: str, stdin: str = "") -> str:
        return self.sh(f"ip netns exec {box} {line}", stdin)

    def rules(self, text: str) -> None:
        self.inside("box", "nft flush ruleset")
        self.inside("box", "nft -f -", text)

    def ask(self, probe: Probe, world: World | None = None) -> tuple[Answer, list[str]]:
        """The answer, and every step of the walk for a report."""
        fork = (world or self.world).fork()
        walk = socket.connect(fork, f"{MACHINE}/{probe.source}", probe.address, probe.port, probe.proto)
        attempt = drive(walk, fork.apply)
        end = attempt.ending
        port = int((end.destination_seen or ":0").rpartition(":")[2]) or None
        steps = [f"{s.where} {s.hook} {s.dev} {s.what}: {s.says} | {s.after}" for s in attempt.steps]
        return Answer(end.outcome, end.source_seen, port if end.outcome == "connected" else None), steps
