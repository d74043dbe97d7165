"""What an exported script needs Python for: kernel settings, listeners, and probes, each in namespaces by name.

The text of this file travels inside the script (`netns.py`), so it uses the standard library alone, and nothing of
k8slearn. One process serves every namespace: a socket belongs to the namespace in which it was made (setns(2)),
wherever its process is later.

A ping is heard of by raw sockets in the namespaces that ``hear`` names: they see who was asked, and by whom.

Left out: SCTP.
"""

from __future__ import annotations

import contextlib
import ctypes
import glob
import json
import os
import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import NamedTuple

PATIENCE = 4.5
"""Seconds that a client waits, as in a Trace."""
PAGE = "/k8slearn"
"""What a probe asks for: who answered, whom it saw, where it was reached, as JSON."""
CLONE_NEWNET = 0x40000000
IP_PKTINFO, IP_RECVERR, IPV6_RECVERR = 8, 11, 25
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def enter(netns: str) -> None:
    """Move this thread into a namespace that ``ip netns`` knows by this name."""
    fd = os.open(f"/run/netns/{netns}", os.O_RDONLY)
    failed = ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET)
    os.close(fd)
    if failed:
        raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {netns}")


def sections(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(namespace, line) of a text in which ``in NETNS…`` says where the lines below it belong."""
    where: list[str] = []
    below: list[str] = []
    for line in [*map(str.strip, lines), "in"]:
        if line == "in" or line.startswith("in "):
            yield from ((netns, one) for netns in where for one in below)
            where, below = line.split()[1:], []
        elif line:
            below.append(line)


# --- kernel settings ---------------------------------------------------------------------------


def settings(lines: Iterable[str]) -> None:
    """Write sysctls, as in sysctl.conf(5): ``name = value``, names may have a ``*``; after a ``-`` it may be absent."""
    last = ""
    for netns, line in sections(lines):
        if netns != last:
            enter(netns)
            last = netns
        name, _, value = (word.strip() for word in line.partition("="))
        files = glob.glob("/proc/sys/" + name.lstrip("-").replace(".", "/"))
        if not files and not name.startswith("-"):
            hint = "; try: modprobe br_netfilter" if "bridge-nf" in name else ""
            sys.exit(f"this kernel has no setting {name}{hint}")
        for file in files:
            write(file, value)


def write(file: str, value: str) -> None:
    """Write a setting that is not so yet: links that come after a write to ``default`` remember it (devinet.c)."""
    with open(file) as there:
        if there.read().split() == value.split():
            return
    with open(file, "w") as out:
        out.write(value)


# --- listeners ---------------------------------------------------------------------------------


def listen(lines: Iterable[str]) -> None:
    """Listen on each ``protocol address port who-answers its-name``, then go to the background and serve."""
    ready = opened(lines)
    if ready.get_map() and os.fork() == 0:
        os.setsid()
        serve(ready)


def stay(lines: Iterable[str]) -> None:
    """Listen, say so, and serve until somebody ends this process."""
    ready = opened(lines)
    print("ready", flush=True)
    serve(ready)


def opened(lines: Iterable[str]) -> selectors.BaseSelector:
    """The listening sockets, each with what answers on it."""
    ready = selectors.DefaultSelector()
    for netns, line in sections(lines):
        enter(netns)
        proto, address, port, who, name = line.split()
        sock = socket.socket(family(address), KINDS[proto])
        if proto == "tcp":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(named(address, int(port)))
        sock.setblocking(False)
        if proto == "tcp":
            sock.listen(128)
        elif sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        ready.register(sock, selectors.EVENT_READ, (accept if proto == "tcp" else datagram, who, name))
    return ready


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def named(address: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """A socket address, as the kernel wants it; ``fe80::1%eth0`` names its link."""
    found = socket.getaddrinfo(address, port, family(address), socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    return found[0][4]  # type: ignore[return-value]


def serve(ready: selectors.BaseSelector) -> None:
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    while True:
        for key, _ in ready.select():
            handle, who, name = key.data
            try:
                handle(ready, key.fileobj, who, name)
            except OSError:
                if handle is request:
                    ready.unregister(key.fileobj)


def accept(ready: selectors.BaseSelector, sock: socket.socket, who: str, name: str) -> None:
    connection, _ = sock.accept()
    connection.setblocking(False)
    ready.register(connection, selectors.EVENT_READ, (request, who, name))


def request(ready: selectors.BaseSelector, sock: socket.socket, who: str, name: str) -> None:
    """Answer an HTTP request (the first packet of it is enough), and hang up."""
    words = sock.recv(65536).split(b" ")
    if len(words) > 1:
        here, there = sock.getsockname(), sock.getpeername()
        body = answer(words[1].decode(errors="replace"), who, name, here, there).encode()
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        sock.sendall(head.encode() + body)
    ready.unregister(sock)
    sock.close()


def datagram(ready: selectors.BaseSelector, sock: socket.socket, who: str, name: str) -> None:
    """Answer a datagram, from the address that it was sent to."""
    data, extra, _, there = sock.recvmsg(65536, 256)
    asked, source = "0.0.0.0", list[tuple[int, int, bytes]]()
    for level, kind, value in extra:
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            asked = socket.inet_ntoa(value[8:12])
            source.append((level, kind, struct.pack("=i4s4s", 0, value[8:12], b"\0\0\0\0")))
        elif (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            asked = socket.inet_ntop(socket.AF_INET6, value[:16])
            index = value[16:] if value[:2] == b"\xfe\x80" else struct.pack("=i", 0)
            source.append((level, kind, value[:16] + index))
    page = [*data.split(b" "), b""][1].strip().decode(errors="replace")
    body = answer(page, who, name, (asked, sock.getsockname()[1]), there)
    sock.sendmsg([body.encode()], source, 0, there)


def answer(page: str, who: str, name: str, here: tuple[str, int], there: tuple[str, int]) -> str:
    """What the page says: like agnhost's netexec, and one page more for probes."""
    seen = {"answered_by": who, "source_seen": bare(there[0]), "destination_seen": place(bare(here[0]), here[1])}
    pages = {"/clientip": f"{there[0]}:{there[1]}", "/hostname": name, PAGE: json.dumps(seen)}
    return pages.get(page, f"Hello from {name}!")


def place(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def bare(address: str) -> str:
    """Without its link, and without the IPv6 clothes that a socket for both families puts on an IPv4 address."""
    return address.partition("%")[0].removeprefix("::ffff:")


# --- probes ------------------------------------------------------------------------------------


def probe(lines: Iterable[str]) -> None:
    """Ask each ``namespace address port protocol``, all at once; print one JSON line for each, in their order.

    ``hear namespace who`` has pings to that namespace reported as answered by `who`.
    """
    words = [line.split() for line in lines]
    questions = [question for question in words if question[0] != "hear"]
    ears = Ears([(netns, who) for hear, netns, who in (w for w in words if w[0] == "hear")])
    with ThreadPoolExecutor(max(len(questions), 1)) as threads:
        for found in threads.map(lambda question: attempt(question, ears), questions):
            print(json.dumps(found))


class Ears:
    """Raw sockets that get a copy of each echo request which a namespace takes for itself (`raw_local_deliver`)."""

    def __init__(self, places: Iterable[tuple[str, str]]) -> None:
        self.lock = Lock()
        self.known: dict[bytes, tuple[str, str]] = {}
        self.sockets: list[tuple[str, socket.socket]] = []
        for netns, who in places:
            enter(netns)
            for kind, proto in ((socket.AF_INET, socket.IPPROTO_ICMP), (socket.AF_INET6, socket.IPPROTO_ICMPV6)):
                with contextlib.suppress(OSError):
                    sock = socket.socket(kind, socket.SOCK_RAW, proto)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
                    sock.setblocking(False)
                    self.sockets.append((who, sock))

    def heard(self, token: bytes) -> tuple[str | None, str | None]:
        """(the source it saw, who) of the echo request with this in it."""
        with self.lock:
            for who, sock in self.sockets:
                for packet, there in self._read(sock):
                    request = packet[:1] == b"\x80" if sock.family == socket.AF_INET6 else packet[20:21] == b"\x08"
                    if request:
                        self.known.setdefault(packet[-len(token) :], (bare(there[0]), who))
            return self.known.get(token, (None, None))

    @staticmethod
    def _read(sock: socket.socket) -> Iterator[tuple[bytes, tuple[str, int]]]:
        with contextlib.suppress(BlockingIOError):
            while True:
                yield sock.recvfrom(65536)


def attempt(question: list[str], ears: Ears) -> dict[str, str | None]:
    """One attempt, in the words of a Trace."""
    netns, address, port, proto = question
    enter(netns)
    try:
        if proto == "icmp":
            return ending("connected", *ears.heard(ping(address)))
        with socket.socket(family(address), KINDS[proto]) as sock:
            said = converse(sock, address, int(port))
    except ConnectionRefusedError:
        return ending("refused")
    except TimeoutError:
        return ending("timeout")
    except OSError:
        return ending("unreachable")
    seen = json.loads(said)
    return ending("connected", seen["source_seen"], seen["answered_by"])


def converse(sock: socket.socket, address: str, port: int) -> bytes:
    """Connect, ask, and read what comes back, all within the client's patience.

    connect(2) waits in the kernel: one that is polled would also hear of errors that a connection survives (SO_ERROR).
    """
    until = time.monotonic() + PATIENCE
    seconds, rest = divmod(PATIENCE, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", int(seconds), int(rest * 1e6)))
    try:
        sock.connect(named(address, port))
    except BlockingIOError:
        raise TimeoutError from None
    sock.sendall(f"GET {PAGE} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
    said = b""
    while not said.endswith(b"}"):
        sock.settimeout(max(until - time.monotonic(), 0.001))
        said += sock.recv(65536) or hung_up()
    return said.rpartition(b"\r\n\r\n")[2]


def ping(address: str) -> bytes:
    """One echo request; returns what was in it once the reply is there, raises what an ICMP error means (ip(7)).

    A raw socket in IPv6, as ping(8) of root has it: the other kind keeps quiet about what the machine itself drops."""
    with open("/proc/sys/net/ipv4/ping_group_range", "w") as allowed:
        allowed.write("0 2147483647")
    token, until = os.urandom(24), time.monotonic() + PATIENCE
    echo = ECHO[family(address) == socket.AF_INET6]
    with socket.socket(family(address), echo.kind, echo.proto) as sock:
        sock.setsockopt(*echo.errors, 1)
        sock.connect(named(address, 0))
        sock.sendall(bytes([echo.request, 0, 0, 0, 0, 0, 0, 1]) + token)
        heard = b""
        while heard[:1] != bytes([echo.reply]) or not heard.endswith(token):
            sock.settimeout(max(until - time.monotonic(), 0.001))
            heard = sock.recv(65536)
    return token


class Echo(NamedTuple):
    """How a family pings: its socket, the option that reports errors, the types of request and reply."""

    kind: socket.SocketKind
    proto: int
    errors: tuple[int, int]
    request: int
    reply: int


ECHO = (
    Echo(socket.SOCK_DGRAM, socket.IPPROTO_ICMP, (socket.IPPROTO_IP, IP_RECVERR), 8, 0),
    Echo(socket.SOCK_RAW, socket.IPPROTO_ICMPV6, (socket.IPPROTO_IPV6, IPV6_RECVERR), 128, 129),
)


def hung_up() -> bytes:
    raise ConnectionResetError


def ending(outcome: str, source_seen: str | None = None, answered_by: str | None = None) -> dict[str, str | None]:
    return {"outcome": outcome, "source_seen": source_seen, "answered_by": answered_by}


if __name__ == "__main__":
    PARTS: dict[str, Callable[[Iterable[str]], None]] = {
        "settings": settings,
        "listen": listen,
        "stay": stay,
        "probe": probe,
    }
    PARTS[sys.argv[1]](sys.stdin)
