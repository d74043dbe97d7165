"""A socket that listens takes what comes for its address and port; where there is none the kernel itself answers.

A listening socket waits on an address and a port; ``0.0.0.0`` and ``::`` stand for every address of the namespace, and
``::`` takes IPv4 too unless it is ``v6only``. Where nobody listens the kernel itself answers: TCP with RST, UDP with
ICMP port unreachable, SCTP with ABORT.

::

    packet for this machine ─┬─ a socket of this conversation?      the client has its answer
                             ├─ a listener on the address and port  it answers
                             ├─ a listener on 0.0.0.0 or ::         it answers
                             └─ nobody                              RST, port unreachable, ABORT

Our listeners answer like agnhost's netexec: ``/`` says hello (or what the socket's `greeting` says), ``/hostname`` a
name, ``/clientip`` whom they see, ``/bytes/4000`` that many bytes, ``/header?key=NAME`` a header of the request. A
program with rows of its own (`SERVERS`: a reverse proxy, a name server) answers by those.

Left out: SO_REUSEPORT, backlogs (a listener takes every connection), sockets bound to a device, raw sockets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Put, Remove, World
from k8slearn.linux import fib, http, icmp, ip, pmtu, sysctl, vxlan, vxlan_link
from k8slearn.linux.connection import inverse, tuple_of
from k8slearn.linux.rows import Socket
from k8slearn.linux.skb import Accepted, Net, Outgoing, Skb
from k8slearn.linux.transport import mss_of, mtu_towards, segments, size_of
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step, step

ANY, ANY6 = "0.0.0.0", "::"
SHORT = 400
"""An answer of up to so many bytes fits any segment."""


# --- who listens -------------------------------------------------------------------------------


def listener(world: World, netns: str, proto: str, address: str, port: int) -> Socket | None:
    """The listening socket for this address and port; one bound to the address itself wins, then its own family's."""
    rows = world.rows[netns, "socket"]
    found: Socket | None = rows.get((proto, address, port))
    if found is not None or ":" in address:
        return found or rows.get((proto, ANY6, port))
    found = rows.get((proto, ANY, port)) or rows.get((proto, ANY6, port))
    return None if found is None or found.v6only else found


def bind(world: World, netns: str, row: Socket) -> Commands:
    """Take an address and a port: ``bind()`` and ``listen()``. CommandError with the errno's words where the kernel
    refuses (bind(2), `inet_csk_get_port`)."""
    refused = bind_error(world, netns, row)
    if refused:
        raise CommandError(f"{row.program}: bind: {refused}\n", 1)
    yield Put((netns, "socket", (row.proto, row.address, row.port)), row)


def close(netns: str, row: Socket) -> Commands:
    """The port is free again."""
    yield Remove((netns, "socket", (row.proto, row.address, row.port)))


def bind_error(world: World, netns: str, row: Socket) -> str:
    """Why this namespace cannot let a program listen there; empty: it can."""
    six = ":" in row.address
    if six and not speaks_ipv6(world, netns):
        return "Address family not supported by protocol"
    if ip.is_link_local(row.address):
        return "Invalid argument"
    anywhere = row.address in (ANY, ANY6) or ip.is_multicast(row.address)
    allowed = sysctl.is_on(world, netns, f"net.ipv{6 if six else 4}.ip_nonlocal_bind") or _untouched(world, netns, six)
    if not anywhere and not allowed and fib.local_address(world, netns, row.address) is None:
        return "Cannot assign requested address"
    others: Iterable[Socket] = world.rows[netns, "socket"].values()
    if any((o.proto, o.port) == (row.proto, row.port) and _overlap(o, row) for o in others):
        return "Address already in use"
    return ""


def _untouched(world: World, netns: str, six: bool) -> bool:
    """Before its first IPv4 address a namespace has no table ``local``, and takes any address for good enough
    (`fib_frontend.c: __inet_dev_addr_type`)."""
    return (
        not six
        and not world.rows[netns, "fib"]
        and all(":" in row.address for row in world.rows[netns, "addr"].values())
    )


def _overlap(one: Socket, other: Socket) -> bool:
    """Could a packet be for both (`inet_rcv_saddr_equal`)?"""
    if one.address == other.address:
        return True
    covered = {one.address, other.address} & {ANY, ANY6}
    if (":" in one.address) == (":" in other.address):
        return bool(covered)
    six = one if ":" in one.address else other
    return six.address == ANY6 and not six.v6only


def speaks_ipv6(world: World, netns: str) -> bool:
    """Was the machine's kernel booted with IPv6?"""
    here = world.get((netns, "netns", ""))
    if here is None:
        return True
    machine = world.get((here.machine, "netns", ""))
    return bool(here.ipv6 or (machine is not None and machine.ipv6))


# --- what arrives ------------------------------------------------------------------------------


def receive(net: Net, skb: Skb) -> None:
    """Hand a packet to the socket it is for, or answer as the kernel does where there is none."""
    packet = skb.packet
    if packet.proto in ("icmp", "icmp6"):
        _receive_icmp(net, skb)
        return
    client = net.ends.get((skb.netns, tuple_of(packet)))
    if client is not None:
        says = f"the client's socket takes {packet}"
        net.say(step((skb.netns, "deliver", says, packet, packet, None, skb.iif, "", "")))
        client.receive(net, packet)
    else:
        RECEIVE.get(packet.proto, _receive_unknown)(net, skb)


def _deliver(skb: Skb, found: Socket) -> Step:
    packet, says = skb.packet, f"{found.program} takes {skb.packet}"
    why = _because(skb.netns, found.proto, found.address, found.port, found.program)
    return step((skb.netns, "deliver", says, packet, packet, why, skb.iif, "", ""))


@lru_cache(maxsize=1 << 12)
def _because(netns: str, proto: str, address: str, port: int, program: str) -> Because:
    return Because((netns, "socket", (proto, address, port)), f"LISTEN {place(address, port)} {program}")


def place(address: str, port: int) -> str:
    """``10.0.0.1:80``, ``[fd00::1]:80``."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _receive_tcp(net: Net, skb: Skb) -> None:
    packet, here = skb.packet, (skb.netns, tuple_of(skb.packet))
    if packet.flags.startswith("RST"):
        net.servers.pop(here, None)
        return
    if packet.flags == "SYN" and _is_everybodys(net, skb.netns, packet.dst):
        says = f"{packet.dst} is every router's address (anycast): it takes no connections, and resets none"
        net.say(Step(skb.netns, "drop", says, packet, packet, None, skb.iif, reason="NOT_SPECIFIED"))
        return
    found = listener(net.world, skb.netns, "tcp", packet.dst, packet.dport)
    accepted = net.servers.get(here)
    if accepted is None and net.standing and packet.payload and found is not None:
        accepted = net.servers[here] = Accepted()
    if found is not None and packet.flags == "SYN":
        net.say(_deliver(skb, found))
        net.servers[here] = Accepted(packet.mss, icmp.came_by(net, skb))
        mss = mss_of(mtu_towards(net.world, skb.netns, packet.src), packet.src)
        answer = _back(packet, "SYN-ACK")._replace(mss=mss)
        net.outbox.append(Outgoing(skb.netns, answer, "SYN-ACK", dev=net.servers[here].dev))
    elif accepted is not None and (found is not None or accepted.closing):
        _converse(net, skb, found, accepted)
    else:
        _reset(net, skb, "no connection" if found is not None else "nobody listens")


def _is_everybodys(net: Net, netns: str, address: str) -> bool:
    """Is it an anycast address (`ipv6_unicast_destination`)?"""
    found = fib.lookup(net.world, netns, address).route if ":" in address else None
    return found is not None and found.kind == "anycast"


def _converse(net: Net, skb: Skb, found: Socket | None, accepted: Accepted) -> None:
    """A packet of a connection that was accepted: a piece of the request, or the client's goodbye."""
    packet = skb.packet
    if found is not None:
        net.say(_deliver(skb, found))
    if packet.payload and found is not None:
        accepted.request += packet.payload
        if len(accepted.request) >= net.asked:
            answer = _served(net, skb, found, accepted.request)
            if answer is None:
                net.outbox.append(Outgoing(skb.netns, _back(packet, "RST"), "RST", dev=accepted.dev))
            else:
                _send(net, skb.netns, _back(packet, "PSH-ACK", answer), accepted)
    elif packet.flags == "FIN-ACK":
        accepted.closing = True
        net.outbox.append(Outgoing(skb.netns, _back(packet, "FIN-ACK"), "FIN-ACK", dev=accepted.dev))


def _send(net: Net, netns: str, packet: Packet, accepted: Accepted) -> None:
    """An answer, in as many segments as it takes."""
    if len(packet.payload) <= SHORT:
        net.outbox.append(Outgoing(netns, packet, "answer", dev=accepted.dev))
        return
    for piece in segments(packet, mtu_towards(net.world, netns, packet.dst), accepted.mss):
        net.outbox.append(Outgoing(netns, piece, "answer", dev=accepted.dev))


def _reset(net: Net, skb: Skb, why: str) -> None:
    packet = skb.packet
    answer = _back(packet, "RST-ACK" if packet.flags == "SYN" else "RST")
    says = f"{why} on {place(packet.dst, packet.dport)}: answers RST"
    net.say(Step(skb.netns, "refuse", says, packet, answer, None, skb.iif, reason="NO_SOCKET"))
    net.outbox.append(Outgoing(skb.netns, answer, "RST", dev=icmp.came_by(net, skb)))


def _receive_udp(net: Net, skb: Skb) -> None:
    packet = skb.packet
    if packet.dport and vxlan_link.is_open(net.world, skb.netns, packet.dport, packet.family == "ip6"):
        vxlan.receive(net, skb)
        return
    found = listener(net.world, skb.netns, "udp", packet.dst, packet.dport)
    if found is None:
        says = f"nobody listens on {place(packet.dst, packet.dport)}/udp"
        net.say(Step(skb.netns, "refuse", says, packet, packet, None, skb.iif, reason="NO_SOCKET"))
        skb.tracked, skb.state = None, ""  # no protocol sees the connection any more (`nf_reset_ct`)
        icmp.error(net, skb, "port-unreachable")
        return
    net.say(_deliver(skb, found))
    answer = _served(net, skb, found, packet.payload)
    if answer is None:
        says = f"{found.program} has no answer to give in time"
        net.say(Step(skb.netns, "deliver", says, packet, packet, None, skb.iif))
    else:
        back = _back(packet, "", answer)
        net.outbox.append(Outgoing(skb.netns, back, "answer", dev=icmp.came_by(net, skb)))


HANDSHAKE = {"INIT": "INIT-ACK", "COOKIE-ECHO": "COOKIE-ACK", "SHUTDOWN": "SHUTDOWN-ACK"}
"""SCTP chunk -> what a listener answers to it (RFC 9260, sections 5.1 and 9.2)."""


def _receive_sctp(net: Net, skb: Skb) -> None:
    packet, here = skb.packet, (skb.netns, tuple_of(skb.packet))
    found = listener(net.world, skb.netns, "sctp", packet.dst, packet.dport)
    if packet.flags in ("ABORT", "SHUTDOWN-COMPLETE"):
        net.servers.pop(here, None)
    elif found is None or (packet.flags not in ("INIT", "COOKIE-ECHO") and here not in net.servers):
        answer = _back(packet, "ABORT")
        says = f"nobody listens on {place(packet.dst, packet.dport)}/sctp: answers ABORT"
        net.say(Step(skb.netns, "refuse", says, packet, answer, None, skb.iif, reason="NO_SOCKET"))
        net.outbox.append(Outgoing(skb.netns, answer, "ABORT"))
    else:
        net.say(_deliver(skb, found))
        if packet.flags == "COOKIE-ECHO":
            net.servers[here] = Accepted()
        if packet.flags in HANDSHAKE:
            name = HANDSHAKE[packet.flags]
            net.outbox.append(Outgoing(skb.netns, _back(packet, name), name))
        elif packet.payload:
            answer = _back(packet, "DATA", _answer(net, found, packet, packet.payload))
            net.outbox.append(Outgoing(skb.netns, answer, "answer"))


def _receive_unknown(net: Net, skb: Skb) -> None:
    says = f"no program here speaks {skb.packet.proto}"
    net.say(Step(skb.netns, "drop", says, skb.packet, skb.packet, None, skb.iif, reason="IP_NOPROTO"))
    if skb.packet.family == "ip":
        icmp.error(net, skb, "proto-unreachable")


RECEIVE: Mapping[str, Callable[[Net, Skb], None]] = {
    "tcp": _receive_tcp,
    "udp": _receive_udp,
    "sctp": _receive_sctp,
}


def _back(packet: Packet, flags: str, payload: str = "") -> Packet:
    size = size_of(packet.proto, packet.src, flags, len(payload))
    return Packet(packet.proto, packet.dst, packet.src, packet.dport, packet.sport, flags, payload, size=size)


HTTP = "HTTP/1.1 "


def status(answer: str) -> str:
    """The status of an HTTP answer: ``503 Service Unavailable``."""
    return answer.removeprefix(HTTP).partition("\r\n")[0] if answer.startswith(HTTP) else "200 OK"


def page(told: str, body: str) -> str:
    """A page of a socket's own: status and text."""
    return f"{HTTP}{told}\r\n\r\n{body}"


BYTES = re.compile(r"/bytes/(\d{1,7})")


Server = Callable[[Net, Skb, Any, str], "str | None"]
"""(walk, the packet that ended the request, the program's row, the request) -> its answer; None: it hangs up."""
SERVERS: dict[str, Server] = {}
"""A table in whose rows, named by port, a program keeps what it answers by -> that program."""


def _served(net: Net, skb: Skb, found: Socket, request: str) -> str | None:
    """The answer of the program behind the socket: of one that has rows of its own, or a page."""
    for table, server in SERVERS.items():
        row = net.world.rows[skb.netns, table].get(found.port)
        if row is not None:
            packet = skb.packet
            net.answered = (found.answers_as, packet.src, place(packet.dst, packet.dport))
            answer = server(net, skb, row, request)
            net.answer = answer or ""
            return answer
    return _answer(net, found, skb.packet, request)


def _answer(net: Net, found: Socket, packet: Packet, request: str) -> str:
    """What the page says; the walk notes who was reached, and as what."""
    net.answered = (found.answers_as, packet.src, place(packet.dst, packet.dport))
    asked, name = http.parse(request), found.hostname or found.answers_as
    page = asked.path
    many, own = BYTES.fullmatch(page), dict(found.pages).get(page)
    if own is not None:
        net.answer = own
    elif many is not None:
        net.answer = ("0123456789" * (int(many[1]) // 10 + 1))[: int(many[1])]
    elif found.page:
        net.answer = found.page
    elif asked.server_name is not None and found.port not in http.TLS_PORTS:
        net.answer = f"{HTTP}400 Bad Request\r\n\r\n"
    elif page == "/header":
        net.answer = f"{HTTP}200 OK\r\n\r\n{asked.header(asked.query.get('key', '')) or ''}"
    else:
        pages = {"/clientip": place(packet.src, packet.sport), "/hostname": name}
        net.answer = pages.get(page, found.greeting.replace("{client}", packet.src) or f"Hello from {name}!")
    return net.answer


def _receive_icmp(net: Net, skb: Skb) -> None:
    packet = skb.packet
    about = packet.inner if packet.inner is not None else packet
    key = (skb.netns, inverse(tuple_of(about)) if packet.inner is not None else tuple_of(packet))
    if packet.flags == "echo-request":
        net.say(Step(skb.netns, "deliver", f"the kernel answers ping from {packet.src}", packet, packet, None, skb.iif))
        net.answered = ("", packet.src, packet.dst)
        src = packet.dst
        if _is_everybodys(net, skb.netns, src):
            src = fib.select_source(net.world, skb.netns, skb.iif, packet.src)  # icmp.c: icmpv6_echo_reply
        answer = packet._replace(src=src, dst=packet.src, flags="echo-reply", ttl=64, eth_src="", eth_dst="")
        answer = answer._replace(df=False)
        net.outbox.append(Outgoing(skb.netns, answer, "echo-reply", discover="dont", dev=icmp.came_by(net, skb)))
        return
    client, accepted = net.ends.get(key), net.servers.get(key)
    if about.flags == "echo-reply" and packet.inner is not None:
        client = None  # who answered a ping does not hear that the answer was lost (`ping.c: ping_supported`)
    net.say(Step(skb.netns, "deliver", f"ICMP {packet.flags} about {about}", packet, packet, None, skb.iif))
    if client is not None:
        client.receive(net, packet)
    elif accepted is not None and packet.flags in pmtu.COMPLAINTS:
        _cut_again(net, skb.netns, about, accepted)


def _cut_again(net: Net, netns: str, lost: Packet, accepted: Accepted) -> None:
    """A segment was too long for the way; the kernel believes it and knows better now."""
    if lost.payload and lost.size > mtu_towards(net.world, netns, lost.dst):
        _send(net, netns, lost._replace(eth_src="", eth_dst="", ttl=64), accepted)
