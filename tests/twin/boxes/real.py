"""The scenario told to the real kernel: one network namespace for each box, under a name of its own.

Lines that follow each other in one box and belong to one tool go to it in one batch; a batch that fails is told line
by line, so that it is known for each line whether the tool took it.

Left out: machines without root; whoever calls has looked.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from glob import glob
from pathlib import Path

from k8slearn.export import agent
from k8slearn.export.netns import CALM
from k8slearn.linux import sysctl

from .scenario import Answer, Line, Probe, Scenario

TOOLS = ("ip", "bridge", "iptables-restore", "nft")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
AGENT = [sys.executable, "-I", "-S", str(Path(agent.__file__))]
COUNT = itertools.count()
QUICK = {
    "net.ipv4.ip_forward": "0",
    **CALM,
    **{name: value for name, value in sysctl.DEFAULTS.items() if name not in sysctl.CONNTRACK},
    "net.ipv4.neigh.default.retrans_time_ms": "250",
    "net.ipv4.neigh.default.proxy_delay": "2",
    "net.ipv6.conf.*.disable_ipv6": "0",
    "net.ipv6.conf.*.forwarding": "0",
    "net.ipv6.conf.*.accept_dad": "0",
    "net.ipv6.conf.*.accept_ra": "0",
    "net.ipv6.conf.*.accept_redirects": "0",
    "net.ipv6.conf.*.router_solicitations": "0",
    "net.ipv6.icmp.ratelimit": "0",
    "net.ipv6.neigh.default.retrans_time_ms": "250",
}
"""What each box starts with: what the engine takes for granted;
a neighbour is given up after 0.75 s, not 3; who answers for another waits 0.02 s at most (`proxy_delay`), not 0.8."""
Numbered = tuple[int, str]


class Real:
    """A scenario that stands in real namespaces until `down`. `refused`: the lines that the tools would not take."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.prefix = f"kbx{os.getpid()}x{next(COUNT)}-"
        self.boxes: list[str] = []
        self.refused: dict[int, str] = {}
        self.listeners: list[subprocess.Popen[str]] = []

    @staticmethod
    def check() -> None:
        """Ends the program where there is no root, or no tools."""
        if os.geteuid() or MISSING:
            sys.exit(f"network namespaces need root, and {', '.join(TOOLS)}")

    def begin(self) -> None:
        """Type every line up to the first listener. What was built goes when it does not work out."""
        self._type(listeners=False)

    def __enter__(self) -> Real:
        """Wait until all carriers are known, then start the listeners."""
        time.sleep(SETTLED)
        self._type(listeners=True)
        return self

    def _type(self, listeners: bool) -> None:
        try:
            in_thread(lambda: self._build(listeners))
        except BaseException:
            self.down()
            raise

    def __exit__(self, *error: object) -> None:
        self.down()

    # --- up and down -----------------------------------------------------------------------------

    def _build(self, listeners: bool) -> None:
        for box, tool, lines in batches(self.scenario.lines):
            if (tool == "listen") != listeners:
                continue
            if box and box not in self.boxes:
                self.refused.update(dict.fromkeys((number for number, _ in lines), "no such box"))
                continue
            agent.enter(self.prefix + box) if box else enter_root()
            BATCH.get(tool, Real._one_by_one)(self, box, lines)
            if not box:
                self._new_boxes()

    def _new_boxes(self) -> None:
        """What was just added starts with the settings that the engine takes for granted."""
        for box in self.scenario.boxes:
            if box not in self.boxes and os.path.exists(f"/run/netns/{self.prefix}{box}"):
                self.boxes.append(box)
                agent.enter(self.prefix + box)
                for name, value in QUICK.items():
                    for file in glob("/proc/sys/" + name.replace(".", "/")):
                        agent.write(file, value)

    def down(self) -> None:
        for process in self.listeners:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        gone = "".join(f"netns del {self.prefix}{box}\n" for box in self.boxes)
        subprocess.run(["ip", "-force", "-batch", "-"], input=gone, text=True, capture_output=True, check=False)

    # --- one tool, many lines ----------------------------------------------------------------------

    def _iproute(self, box: str, lines: list[Numbered]) -> None:
        """``ip -force -batch``. Some mistakes end the program: a word said after each line tells how far it came."""
        tool = lines[0][1].split()[0]
        mark = "link show dev lo\n" if tool == "ip" else ""
        while lines:
            said = [self._named(text).partition(" ")[2].removeprefix("-6 ") for _, text in lines]
            family = ["-6"] if " -6 " in lines[0][1] else []
            done = run([tool, *family, "-o", "-force", "-batch", "-"], "".join(f"{one}\n{mark}" for one in said))
            reached = sum(out.startswith("1: lo:") for out in done.stdout.splitlines()) if mark else len(lines)
            *failures, last = re.split(r"Command failed -:(\d+)\n", done.stderr)
            for words, failed in zip(failures[::2], failures[1::2], strict=True):
                self.refused[lines[(int(failed) - 1) // (2 if mark else 1)][0]] = words
            if reached < len(lines):
                self.refused[lines[reached][0]] = last
            lines = lines[reached + 1 :]

    def _named(self, text: str) -> str:
        """With the real names of the namespaces (``netns a``, ``netns add a``)."""
        names = "|".join(map(re.escape, self.scenario.boxes))
        return re.sub(rf"\bnetns( add| del)? ({names})(?!\S)", rf"netns\1 {self.prefix}\2", text)

    def _settings(self, box: str, lines: list[Numbered]) -> None:
        for number, text in lines:
            name, _, value = text.split()[-1].partition("=")
            try:
                with open("/proc/sys/" + name.replace(".", "/"), "w") as out:
                    out.write(value)
            except OSError as error:
                self.refused[number] = str(error)

    def _iptables(self, box: str, lines: list[Numbered]) -> None:
        """``iptables-restore --noflush``: all or nothing."""
        tables: dict[str, list[str]] = {}
        for _, text in lines:
            words = shlex.split(text)[1:]
            table = words[words.index("-t") + 1] if "-t" in words else "filter"
            rest = text.partition(" ")[2].replace(f"-t {table} ", "", 1)
            tables.setdefault(table, []).append(rest)
        said = "".join(
            f"*{table}\n" + "".join(f"{one}\n" for one in ones) + "COMMIT\n" for table, ones in tables.items()
        )
        if run([f"{lines[0][1].split()[0]}-restore", "--noflush"], said).returncode:
            self._one_by_one(box, lines)

    def _nft(self, box: str, lines: list[Numbered]) -> None:
        """``nft -f``: all or nothing."""
        if run(["nft", "-f", "-"], "".join(f"{' '.join(shlex.split(text)[1:])}\n" for _, text in lines)).returncode:
            self._one_by_one(box, lines)

    def _listen(self, box: str, lines: list[Numbered]) -> None:
        if not self._listens(box, lines):
            self.refused.update({one[0]: "bind" for one in lines if not self._listens(box, [one])})

    def _listens(self, box: str, lines: list[Numbered]) -> bool:
        said = "".join(f"{text.removeprefix('listen ')} {box} {box}\n" for _, text in lines)
        process = subprocess.Popen(
            [*AGENT, "stay"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.listeners.append(process)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"in {self.prefix}{box}\n{said}")
        process.stdin.close()
        return process.stdout.readline() == "ready\n"

    def _one_by_one(self, box: str, lines: list[Numbered]) -> None:
        for number, text in lines:
            done = run(shlex.split(self._named(text)))
            if done.returncode:
                self.refused[number] = done.stderr

    # --- questions ---------------------------------------------------------------------------------

    def ask(self, probes: Iterable[Probe]) -> list[Answer]:
        """All at once: those that time out wait together."""
        probes = list(probes)
        ears = "".join(f"hear {self.prefix}{box} {box}\n" for box in self.boxes)
        here = [probe for probe in probes if probe.box in self.boxes]
        asked = "".join(f"{self.prefix}{p.box} {p.address} {p.port} {p.proto}\n" for p in here)
        done = run([*AGENT, "probe"], ears + asked)
        assert done.returncode == 0, done.stderr
        found = [Answer(**json.loads(line)) for line in done.stdout.splitlines()]
        answers = dict(zip(here, found, strict=True))
        return [answers.get(probe, Answer("unreachable")) for probe in probes]


def playable(scenario: Scenario) -> Scenario:
    """Without the settings that this machine cannot play fairly (`_deaf`)."""
    lines = [line for line in scenario.lines if not line.text.partition("=")[0].endswith(_deaf())]
    return scenario._replace(lines=tuple(lines))


@cache
def _deaf() -> tuple[str, ...]:
    """Settings of ``conf.default`` that no link of a new namespace here follows: somebody once wrote them in the
    machine's own namespace, and every new one inherits that (`devinet.c: devinet_init_net`)."""
    found: list[str] = []

    def ask() -> None:
        agent.ctypes.CDLL(None).unshare(agent.CLONE_NEWNET)
        for name in sysctl.CONF["net.ipv4.conf."]:
            there = Path("/proc/sys/net/ipv4/conf")
            if name != "forwarding" and (there / "default" / name).exists():
                (there / "default" / name).write_text("1")
                found.extend([f"net.ipv4.conf.default.{name}"] * ((there / "lo" / name).read_text() != "1\n"))

    in_thread(ask)
    return tuple(found)


BATCH: Mapping[str, Callable[[Real, str, list[Numbered]], None]] = {
    "ip": Real._iproute,
    "bridge": Real._iproute,
    "sysctl": Real._settings,
    "iptables": Real._iptables,
    "ip6tables": Real._iptables,
    "nft": Real._nft,
    "listen": Real._listen,
}


def batches(lines: Iterable[Line]) -> Iterator[tuple[str, str, list[Numbered]]]:
    """(box, tool, numbered lines): neighbours that can be told together."""
    groups = itertools.groupby(enumerate(lines), lambda one: (one[1].box, _batch(one[1])))
    for (box, tool), members in groups:
        yield box, tool.split()[0], [(number, line.text) for number, line in members]


def _batch(line: Line) -> str:
    """New boxes get their settings before they get links: a link starts with what is the default then.

    ``ip -6 -batch`` takes no ``-6`` within its lines."""
    words = line.text.split()
    return " ".join(words[:2]) if words[1] in ("netns", "-6") else words[0]


SETTLED = 1.2
"""Seconds until the kernel has told everybody of a carrier (link_watch.c waits up to one)."""


def run(words: list[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, input=stdin, capture_output=True, text=True, check=False, timeout=60)


def enter_root() -> None:
    """This thread is back in the namespace of the process."""
    with open(f"/proc/{os.getpid()}/ns/net") as here:
        agent.ctypes.CDLL(None).setns(here.fileno(), agent.CLONE_NEWNET)


def in_thread(work: Callable[[], None]) -> None:
    """Do it in a thread of its own, which may enter namespaces and never comes back."""
    failed: list[BaseException] = []

    def target() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
