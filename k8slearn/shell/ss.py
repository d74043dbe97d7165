"""``ss``: who listens (iproute2 6.1).

A listening socket is a row; connections live no longer than the command that makes them, so there are none to list. A
VXLAN or WireGuard device has a UDP socket too, which is the kernel's own. The column widths follow the contents, as in
the real tool.

Left out: everything but listening TCP, UDP and SCTP sockets (netlink, unix and raw sockets; what ``-e``, ``-i`` and
``-m`` add), filters.
"""

from __future__ import annotations

from k8slearn.cni import cri
from k8slearn.errors import CommandError
from k8slearn.linux import ip, vxlan_link, wireguard_config
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Socket
from k8slearn.shell.iptables_list import SERVICES
from k8slearn.shell.process import Process

LONG = {
    **{"--listening": "l", "--tcp": "t", "--udp": "u", "--numeric": "n", "--processes": "p", "--all": "a"},
    **{"--ipv4": "4", "--no-header": "H", "--ipv6": "6", "--sctp": "S", "--options": "o"},
}
BACKLOG = 4096
"""What Go's servers and most others ask for today (net.core.somaxconn)."""


LETTERS = (("udp", "u"), ("tcp", "t"), ("sctp", "S"))
"""The protocols, in the order in which they are listed."""


def program(process: Process) -> Running:
    """Run ``ss [-l] [-t] [-u] [-S] [-n] [-p] [-a] [-4] [-6] [-H]``."""
    yield from ()
    flags = set("".join(_letters(word) for word in process.argv))
    chosen = [name for name, letter in LETTERS if letter in flags]
    protocols = chosen or [name for name, _ in LETTERS]
    rows = _sockets(process, protocols, flags) if flags & {"l", "a"} else []
    table = [_row(process, socket, flags) for socket in rows]
    if len(chosen) == 1:
        table = [row[1:] for row in table]
    return Result(_columns(table, len(chosen) != 1, "H" not in flags))


def _letters(word: str) -> str:
    letters = LONG.get(word, word[1:] if word.startswith("-") and not word.startswith("--") else "")
    if not letters or set(letters) - set("ltuSnpao46H"):
        raise CommandError(f"ss {word}: this is not modelled here\n", 1)
    return letters


def _sockets(process: Process, protocols: list[str], flags: set[str]) -> list[Socket]:
    """One protocol after the other, IPv4 before IPv6."""
    world, netns = process.world, process.netns
    rows: list[Socket] = [*world.table(netns, "socket").values(), *vxlan_link.sockets(world, netns)]
    rows += wireguard_config.sockets(world, netns)
    families = flags & {"4", "6"} or {"4", "6"}
    mine = [row for row in rows if row.proto in protocols and ("6" if ":" in row.address else "4") in families]
    return sorted(
        mine, key=lambda row: (protocols.index(row.proto), ":" in row.address, row.port, ip.number(row.address))
    )


def _row(process: Process, socket: Socket, flags: set[str]) -> list[str]:
    port = str(socket.port) if "n" in flags else SERVICES.get(str(socket.port), str(socket.port))
    state, backlog = ("UNCONN", "0") if socket.proto == "udp" else ("LISTEN", str(BACKLOG))
    user = (
        f' users:(("{socket.program}",pid={holder(process, socket)},fd=3))' if "p" in flags and socket.program else ""
    )
    return [socket.proto, state, "0", backlog, *_ends(socket, port), "*", user]


def _ends(socket: Socket, port: str) -> tuple[str, str, str]:
    """Its own address and port, and whom it takes: ``*`` for a socket of both families."""
    if ":" not in socket.address:
        return socket.address, port, "0.0.0.0"
    if socket.address == "::" and not socket.v6only:
        return "*", port, "*"
    return f"[{socket.address}]", port, "[::]"


def holder(process: Process, socket: Socket) -> int:
    """The process that holds a socket: its container's, or one of the machine's own."""
    key = (socket.proto, socket.address, socket.port)
    boxes = process.world.table(process.machine, "sandbox")
    for row in process.world.table(process.machine, "container").values():
        box = boxes.get(row.sandbox)
        if key in row.sockets and row.state == cri.RUNNING and box is not None and box.netns == process.netns:
            return cri.process_id(row.id)
    return cri.process_id(f"{process.netns}/{socket.program}")


HEADS = ("Netid", "State", "Recv-Q", "Send-Q", "Local Address", "Port", "Peer Address", "Port", "Process")


def _columns(table: list[list[str]], with_protocol: bool, header: bool) -> str:
    """Every column as wide as its widest cell; the real tool forgets the last row's last cell, and so do we."""
    heads = HEADS if with_protocol else HEADS[1:]
    rows = [list(heads), *table] if header else table
    least = [0 if head in ("Local Address", "Port", "Peer Address", "Process") else 6 for head in heads]
    widths = [max([0 if header else least[n], *(len(row[n]) for row in rows)]) for n in range(len(heads))]
    widths[-1] = max((len(row[-1]) for row in rows[:-1]), default=0)
    return "".join(_line(row, widths) for row in rows)


def _line(row: list[str], widths: list[int]) -> str:
    *plain, local, port, peer, peer_port, _ = [word.ljust(width) for word, width in zip(row, widths, strict=True)]
    user = row[-1].ljust(widths[-1])
    ends = [f"{text.strip():>{len(text)}}" for text in (local, peer)]
    line = " ".join(plain) + f" {ends[0]}:{port} {ends[1]}:{peer_port}{user}"
    return line + "\n"
