"""What an exported script needs Python for: kernel settings, listeners, and probes, each in namespaces by name.

The text of this file travels inside the script (`netns.py`), so it uses the standard library alone, and nothing of
k8slearn. One process serves every namespace: a socket belongs to the namespace in which it was made (setns(2)),
wherever its process is later.

Left out: IPv6, SCTP.
"""

from __future__ import annotations

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

PATIENCE = 4.5
"""Seconds that a client waits, as in a Trace."""
PAGE = "/k8slearn"
"""What a probe asks for: who answered, whom it saw, where it was reached, as JSON."""
CLONE_NEWNET = 0x40000000
IP_PKTINFO = 8
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
            with open(file, "w") as out:
                out.write(value)


# --- listeners ---------------------------------------------------------------------------------


def listen(lines: Iterable[str]) -> None:
    """Listen on each ``protocol address port who-answers its-name``, then go to the background and serve."""
    ready = selectors.DefaultSelector()
    for netns, line in sections(lines):
        enter(netns)
        proto, address, port, who, name = line.split()
        sock = socket.socket(socket.AF_INET, KINDS[proto])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, int(port)))
        sock.setblocking(False)
        if proto == "tcp":
            sock.listen(128)
        else:
            sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        ready.register(sock, selectors.EVENT_READ, (accept if proto == "tcp" else datagram, who, name))
    if ready.get_map() and os.fork() == 0:
        serve(ready)


def serve(ready: selectors.BaseSelector) -> None:
    os.setsid()
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
    index, asked = 0, "0.0.0.0"
    for level, kind, value in extra:
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            index, asked = 0, socket.inet_ntoa(value[8:12])
    page = [*data.split(b" "), b""][1].strip().decode(errors="replace")
    body = answer(page, who, name, (asked, sock.getsockname()[1]), there)
    source = struct.pack("=i4s4s", index, socket.inet_aton(asked), b"\0\0\0\0")
    sock.sendmsg([body.encode()], [(socket.IPPROTO_IP, IP_PKTINFO, source)], 0, there)


def answer(page: str, who: str, name: str, here: tuple[str, int], there: tuple[str, int]) -> str:
    """What the page says: like agnhost's netexec, and one page more for probes."""
    seen = {"answered_by": who, "source_seen": there[0], "destination_seen": f"{here[0]}:{here[1]}"}
    pages = {"/clientip": f"{there[0]}:{there[1]}", "/hostname": name, PAGE: json.dumps(seen)}
    return pages.get(page, f"Hello from {name}!")


# --- probes ------------------------------------------------------------------------------------


def probe(lines: Iterable[str]) -> None:
    """Ask each ``namespace address port protocol``, all at once; print one JSON line for each, in their order."""
    questions = [line.split() for line in lines]
    with ThreadPoolExecutor(max(len(questions), 1)) as threads:
        for found in threads.map(attempt, questions):
            print(json.dumps(found))


def attempt(question: list[str]) -> dict[str, str | None]:
    """One attempt, in the words of a Trace."""
    netns, address, port, proto = question
    enter(netns)
    try:
        with socket.socket(socket.AF_INET, KINDS[proto]) as sock:
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
    """Connect, ask, and read what comes back, all within the client's patience."""
    until = time.monotonic() + PATIENCE
    sock.settimeout(PATIENCE)
    sock.connect((address, port))
    sock.sendall(f"GET {PAGE} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
    said = b""
    while not said.endswith(b"}"):
        sock.settimeout(max(until - time.monotonic(), 0.001))
        said += sock.recv(65536) or hung_up()
    return said.rpartition(b"\r\n\r\n")[2]


def hung_up() -> bytes:
    raise ConnectionResetError


def ending(outcome: str, source_seen: str | None = None, answered_by: str | None = None) -> dict[str, str | None]:
    return {"outcome": outcome, "source_seen": source_seen, "answered_by": answered_by}


if __name__ == "__main__":
    PARTS: dict[str, Callable[[Iterable[str]], None]] = {"settings": settings, "listen": listen, "probe": probe}
    PARTS[sys.argv[1]](sys.stdin)
