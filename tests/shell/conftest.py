"""Two machines that are told the same command lines: a real one made of namespaces, and ours."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from k8slearn.journal import Put, World
from k8slearn.linux import link
from k8slearn.linux.rows import Netns
from k8slearn.shell import run

MACHINE = "node:node-1"
TOOLS = ("ip", "bridge", "brctl", "arp", "curl", "iptables", "conntrack", "sysctl", "unshare", "nsenter")
QUIET = "net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 "
QUIET += "net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0"
SIX = " ".join(
    f"net.ipv6.conf.{dev}.{name}=0"
    for dev in ("all", "default")
    for name in ("accept_dad", "accept_ra", "router_solicitations")
)
SIX += " net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0"
"""With IPv6: no duplicate address detection, no routers asked for."""
START = """
mkdir -p /run/netns && mount -t tmpfs none /run/netns && mount -t sysfs none /sys
hostname node-1 && sysctl -qw {} net.bridge.bridge-nf-call-iptables=1
echo ready && exec sleep 600
"""


class Said(NamedTuple):
    """What one command line printed, and how it ended."""

    stdout: str
    stderr: str
    exit_code: int


class Real:
    """A machine of this kernel: namespaces of its own for network, mounts and host name, which go with its process."""

    def __init__(self, ipv6: bool = False) -> None:
        self.quiet = SIX if ipv6 else QUIET
        command = ["unshare", "-m", "-n", "-u", "--propagation", "private", "sh", "-c", START.format(self.quiet)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def run(self, line: str, stdin: str = "") -> Said:
        inside = ["nsenter", "-t", str(self.process.pid), "-m", "-n", "-u", "sh", "-c", line]
        done = subprocess.run(inside, input=stdin, capture_output=True, text=True, timeout=30, check=False)
        if line.startswith("ip netns add ") and done.returncode == 0:
            self.run(f"ip netns exec {line.split()[3]} sysctl -qw {self.quiet}")
        return Said(done.stdout, done.stderr, done.returncode)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class Ours:
    """The same machine as rows of a world."""

    def __init__(self, ipv6: bool = False) -> None:
        self.world = World()
        self.world.apply(Put((MACHINE, "netns", ""), Netns("node-1", MACHINE, ipv6)))
        for command in link.add_loopback(MACHINE):
            self.world.apply(command)

    def run(
        self, line: str | list[str], stdin: str = "", scope: str = MACHINE, env: dict[str, str] | None = None
    ) -> Said:
        running = run(self.world, scope, line, stdin, env)
        while True:
            try:
                self.world.apply(next(running))
            except StopIteration as end:
                return Said(*end.value)


class Pair:
    """Both machines at once."""

    def __init__(self, real: Real, ours: Ours) -> None:
        self.real, self.ours = real, ours

    def check(self, transcript: str) -> None:
        """Every line says the same on both. The kernel notices a carrier late: a question is asked again."""
        for line in filter(None, map(str.strip, transcript.splitlines())):
            want, got = self.real.run(line), self.ours.run(line)
            patience = time.monotonic() + 2.5
            while blurred(want, line) != blurred(got, line) and is_question(line) and time.monotonic() < patience:
                time.sleep(0.1)
                want = self.real.run(line)
            assert (line, blurred(got, line)) == (line, blurred(want, line))


def is_question(line: str) -> bool:
    """Does the line change nothing, so that it may be asked twice?"""
    changes = r"add|set|del|delete|replace|change|append|flush|addbr|delbr|addif|delif|-[ADINXPFERZ]|-w|-qw|--\w+"
    return re.search(rf"(?<!\S)({changes})(?!\S)", line) is None


BLUR = (
    (r"num([tr])xqueues \d+", r"num\1xqueues N"),
    (r'_timer":[\d.]+', '_timer":T'),
    (r'"num_([tr])x_queues":\d+', r'"num_\1x_queues":N'),
    (r"(_timer) +\d+\.\d\d", r"\1 T"),
    (r"refcnt\b(\"?:? ?)\d+", r"refcnt\1N"),
    (r"\b8[0-9a-f]{3}:", "8NNN:"),
    (r"used \d+/\d+", "used N/N"),
    (r'"used":\d+,"updated":\d+', '"used":N,"updated":N'),
    (r"# (Generated|Completed)(.*) on .*", r"# \1\2"),
)


HASHED = re.compile(r"ip (-4 |-6 |-br )?neigh\b")
"""What the kernel keeps in the order of a hash."""


def blurred(said: Said, line: str = "") -> Said:
    """Without what depends on the real machine: its processors, its clock."""
    text = "".join(sorted(said.stdout.splitlines(True))) if HASHED.match(line) else said.stdout
    for pattern, instead in BLUR:
        text = re.sub(pattern, instead, text)
    return said._replace(stdout=text)


@pytest.fixture
def ours() -> Ours:
    return Ours()


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A pair without IPv6."""
    yield from _pair(ipv6=False)


@pytest.fixture
def pair6() -> Iterator[Pair]:
    """A pair that speaks IPv6."""
    yield from _pair(ipv6=True)


def _pair(ipv6: bool) -> Iterator[Pair]:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(missing or TOOLS)}")
    real = Real(ipv6)
    try:
        yield Pair(real, Ours(ipv6))
    finally:
        real.close()
