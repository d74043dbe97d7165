"""Random rules on a router, random probes through it: the kernel and the engine agree on every outcome, and on how
often every rule matched (``iptables-save -c``).

A client and a server are namespaces of one machine; the machine between them has the rules. The same command lines
build both machines, the real one and ours.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from k8slearn.journal import Put, drive
from k8slearn.linux import socket
from k8slearn.linux.rows import Socket
from tests.shell.conftest import MACHINE, Ours, Real, Said

pytestmark = pytest.mark.root
BUILT = """
ip netns add c
ip netns add s
ip link add c0 type veth peer name eth0 netns c
ip link add s0 type veth peer name eth0 netns s
ip addr add 10.1.0.1/24 dev c0
ip addr add 10.2.0.1/24 dev s0
ip link set c0 up
ip link set s0 up
ip link set lo up
ip netns exec c ip addr add 10.1.0.2/24 dev eth0
ip netns exec s ip addr add 10.2.0.2/24 dev eth0
ip netns exec c ip link set eth0 up
ip netns exec s ip link set eth0 up
ip netns exec c ip route add default via 10.1.0.1
ip netns exec s ip route add default via 10.2.0.1
ipset create ips hash:ip
ipset add ips 10.1.0.2
ipset create nets hash:net
ipset add nets 10.0.0.0/8
ipset add nets 10.2.0.0/16 nomatch
ipset create ports hash:ip,port
ipset add ports 10.2.0.2,udp:53
ipset add ports 10.2.0.2,tcp:81
ipset create seen hash:ip counters
ipset create many list:set
ipset add many nets
ipset add many ports
"""
QUIET = """
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0
ip netns exec s sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv4.tcp_synack_retries=0
ip netns exec c sysctl -qw net.ipv4.icmp_ratelimit=0
"""
"""What the engine has no limits for and does not send twice."""
SERVER = """
import socket, threading
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(("0.0.0.0", 53))
tcp = socket.create_server(("0.0.0.0", 80)); held = []
threading.Thread(target=lambda: [held.append(tcp.accept()) for _ in iter(int, 1)], daemon=True).start()
print("ready", flush=True)
while True:
    words, who = udp.recvfrom(2000); udp.sendto(b"yes", who)
"""
CLIENT = """
import json, socket, sys, struct, os, time
def tell(error):
    return {111: "refused", None: "timeout"}.get(error, "unreachable")
def ask(proto, dst, port):
    kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM, "icmp": socket.SOCK_RAW}[proto]
    with socket.socket(socket.AF_INET, kind, 1 if proto == "icmp" else 0) as s:
        s.settimeout(0.25)
        if proto == "icmp":
            body = struct.pack("!BBHHH", 8, 0, 0, os.getpid() & 0xFFFF, 1)
            total = sum(struct.unpack("!4H", body))
            s.sendto(body[:2] + struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + body[4:], (dst, 0))
            answer = s.recv(2000)[20]
            return "connected" if answer == 0 else "unreachable"
        s.connect((dst, port))
        if proto == "udp":
            s.send(b"ask"); s.recv(2000)
        else:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return "connected"
for proto, dst, port in json.loads(sys.stdin.read()):
    begun = time.monotonic()
    try: said = ask(proto, dst, port)
    except OSError as error: said = tell(error.errno)
    print(said)
    if time.monotonic() - begun > 0.9: sys.exit("so late that the kernel may have sent its first packet again")
"""
PROBES = [("udp", "10.2.0.2", 53), ("udp", "10.2.0.2", 54), ("tcp", "10.2.0.2", 81), ("icmp", "10.2.0.2", 0)]
LAST = ("tcp", "10.2.0.2", 80)
"""Its packets after the handshake are not counted alike: it comes when the counters have been read."""
ASKED = (
    *(
        "-s 10.1.0.2",
        "-d 10.2.0.2",
        "! -s 10.1.0.0/24",
        "-d 10.0.0.2/255.0.0.255",
        "-i c0",
        "-o s0",
        "-i c+",
        "! -o s0",
    ),
    *("-p tcp", "-p udp", "-p icmp", "! -p udp", "-p udp --dport 53", "-p udp --sport 53", "-p tcp --syn"),
    *("-p tcp --tcp-flags RST RST", "-p tcp ! --syn", "-p icmp --icmp-type 8", "-p icmp --icmp-type any"),
    *(
        "-p icmp --icmp-type port-unreachable",
        "-p udp -m multiport --ports 53,60:70",
        "-p tcp -m multiport ! --dports 81",
    ),
    *("-m conntrack --ctstate NEW", "-m conntrack --ctstate RELATED,ESTABLISHED", "-m conntrack ! --ctstate INVALID"),
    *(
        "-m conntrack --ctdir REPLY",
        "-m conntrack --ctorigdst 10.2.0.2 --ctproto udp",
        "-m conntrack --ctorigdstport 53",
    ),
    *(
        "-m conntrack --ctstatus SEEN_REPLY",
        "-m conntrack ! --ctstatus CONFIRMED",
        "-m conntrack --ctreplsrc 10.2.0.0/16",
    ),
    *("-m mark --mark 1", "-m mark ! --mark 0x0/0x2", "-m connmark --mark 3", "-m connmark ! --mark 0x1/0x1"),
    *("-m addrtype --dst-type UNICAST", "-m addrtype ! --src-type LOCAL", "-m iprange --src-range 10.1.0.1-10.1.0.9"),
    *("-m ttl --ttl-lt 64", "-m ttl ! --ttl-eq 63", "-m length --length 20:1500", "-m pkttype --pkt-type unicast"),
    *("-m statistic --mode nth --every 2 --packet 1", "-m statistic --mode nth --every 3 --packet 0"),
    *("-m limit --limit 1/hour --limit-burst 3", "-m limit --limit 1/day --limit-burst 1"),
    *(
        "-m recent --set --name a",
        "-m recent --rcheck --name a --seconds 100",
        "-m recent --update --name a --hitcount 3",
    ),
    *("-m recent --remove --name a", "-m recent ! --rcheck --name a", "-m recent --rcheck --name b --rdest"),
    *("-m recent --set --name b --mask 255.255.0.0", "-m comment --comment nothing"),
    *("-m set --match-set ips src", "-m set --match-set nets dst", "-m set ! --match-set nets src"),
    *("-m set --match-set ports dst,dst", "-m set --match-set ports src,src", "-m set --match-set many dst,dst"),
    *("-m set --match-set seen src", "-m set --match-set seen dst"),
)
"""Conditions. -s -d -i -o -p stand alone in a rule; the others may come together."""
DONE = (
    *(
        "-j ACCEPT",
        "-j DROP",
        "-j REJECT",
        "-j REJECT --reject-with icmp-host-prohibited",
        "-j RETURN",
        "",
        "-j A",
        "-j B",
    ),
    *("-g A", "-j MARK --set-mark 1", "-j MARK --or-mark 2", "-j CONNMARK --set-mark 3", "-j CONNMARK --save-mark"),
    *("-j CONNMARK --restore-mark", "-j LOG --log-prefix x", "-j SET --add-set seen src", "-j SET --del-set seen dst"),
    *("-j CONNMARK --set-xmark 0x1/0x1", "-j A", "", "-j NFLOG"),
)


def a_rule(random: Random, chain: str) -> str:
    asked = random.sample(ASKED, random.choice((0, 1, 1, 2)))
    first, rest = [a for a in asked if "-m" not in a][:1], [a for a in asked if "-m" in a]
    wants = [a for a in rest if " -p " not in f" {a}"] if first else rest[:1] + [a for a in rest[1:] if "-p " not in a]
    done = random.choice([d for d in DONE if chain not in ("A", "B") or not d.endswith((" A", " B"))])
    if chain == "A" and random.random() < 0.2:
        done = "-j B"
    return " ".join(["-A", chain, *first, *wants, *([done] if done else [])])


def rules(random: Random) -> str:
    """Two tables of rules for the same packets."""
    mangle = [a_rule(random, "FORWARD").replace("REJECT", "DROP").partition(" --reject")[0] for _ in range(4)]
    chains = [*["FORWARD"] * random.randint(2, 6), *["A"] * random.randint(0, 4), *["B"] * random.randint(0, 3)]
    names = ":A - [0:0]\n:B - [0:0]\n"
    policy = random.choice(("ACCEPT", "ACCEPT", "DROP"))
    first = "".join(f"{rule}\n" for rule in mangle)
    second = "".join(f"{a_rule(random, chain)}\n" for chain in chains)
    raw = random.choice(
        ("", "", "-A PREROUTING -p udp -j CT --notrack\n", "-A PREROUTING -m rpfilter --invert -j DROP\n")
    )
    return (
        f"*raw\n{raw}COMMIT\n*mangle\n{names}{first}COMMIT\n*filter\n:FORWARD {policy} [0:0]\n{names}{second}COMMIT\n"
    )


class Late(Exception):
    """This machine was too busy to probe."""


class Router:
    """The real machine and ours, built alike."""

    def __init__(self, directory: Path) -> None:
        self.real, self.ours, self.port = Real(), Ours(), 20000
        for line in filter(None, (BUILT + QUIET).splitlines()):
            assert self.real.run(line).exit_code == 0, line
        for line in filter(None, BUILT.splitlines()):
            assert self.ours.run(line) == Said("", "", 0), line
        self.ours.run("sysctl -qw net.ipv4.ip_forward=1")
        for proto, port in (("udp", 53), ("tcp", 80)):
            row = Socket(proto, "0.0.0.0", port, "server", "server")
            self.ours.world.apply(Put((f"{MACHINE}/s", "socket", (proto, "0.0.0.0", port)), row))
        (directory / "client.py").write_text(CLIENT)
        (directory / "server.py").write_text(SERVER)
        self.client = directory / "client.py"
        inside = ["nsenter", "-t", str(self.real.process.pid), "-m", "-n", "ip", "netns", "exec", "s"]
        command = [*inside, "python3", str(directory / "server.py")]
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.server.stdout is not None
        assert self.server.stdout.readline() == "ready\n"
        assert self.ask_kernel([PROBES[3]]) == ["connected"]

    def ask_kernel(self, probes: list[tuple[str, str, int]]) -> list[str]:
        said = self.real.run(f"ip netns exec c python3 {self.client}", json.dumps(probes))
        if said.exit_code:
            raise Late(said.stderr)
        return said.stdout.split()

    def ask_engine(self, probe: tuple[str, str, int]) -> str:
        """Each probe from a port of its own."""
        proto, dst, port = probe
        world, self.port = self.ours.world, self.port + 1
        walk = socket.connect(world, f"{MACHINE}/c", dst, port, proto, sport=self.port, attempts=1, recording=True)
        outcome = drive(walk, world.apply).ending.outcome
        return "unreachable" if (proto, outcome) == ("icmp", "refused") else outcome

    def both(self, line: str, stdin: str = "") -> tuple[Any, Any]:
        return self.real.run(line, stdin), self.ours.run(shlex.split(line), stdin)

    def close(self) -> None:
        self.server.kill()
        self.server.wait()
        self.real.close()


@pytest.fixture(scope="module")
def router(tmp_path_factory: Any) -> Iterator[Router]:
    if os.geteuid() != 0 or any(shutil.which(tool) is None for tool in ("ipset", "iptables", "unshare")):
        pytest.skip("needs root, ipset, iptables and unshare")
    found = Router(tmp_path_factory.mktemp("router"))
    yield found
    found.close()


def packets(text: str) -> list[str]:
    """Every rule and policy with how many packets it saw (their bytes are the next layer's business)."""
    return [re.sub(r"\[(\d+):\d+\]", r"[\1]", line) for line in text.splitlines() if not line.startswith("#")]


def disagreement(router: Router, text: str) -> str:
    """What the kernel and the engine see differently with these rules, or nothing."""
    router.both("conntrack -F")
    router.both("ipset flush seen")
    router.both("iptables-restore", "*filter\nCOMMIT\n*mangle\nCOMMIT\n*raw\nCOMMIT\n")
    want, got = router.both("iptables-restore", text)
    assert (text, got) == (text, want)
    if want.exit_code:
        return ""
    probes = PROBES + PROBES[:3]
    answers = router.ask_kernel(probes), [router.ask_engine(probe) for probe in probes]
    counted = [packets(said.stdout) for said in router.both("iptables-save -c")]
    answers[0].extend(router.ask_kernel([LAST]))
    answers[1].append(router.ask_engine(LAST))
    told = [f"{p}: kernel {a}, engine {b}" for p, a, b in zip([*probes, LAST], *answers, strict=True) if a != b]
    told += [f"kernel {a}\nengine {b}" for a, b in zip(*counted, strict=False) if a != b]
    return "\n".join([text, *told]) if told else ""


@pytest.mark.parametrize("seed", [1, 2, 3, *(pytest.param(n, marks=pytest.mark.slow) for n in range(4, 61))])
def test_the_kernel_and_the_engine_count_the_same_packets_at_every_rule(router: Router, seed: int) -> None:
    for _ in range(10):
        with suppress(Late):
            assert disagreement(router, rules(Random(seed))) == ""
            return
    raise AssertionError("ten times too busy a machine to probe")
