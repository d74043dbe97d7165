"""WireGuard: a tunnel whose inside nobody on the way can read (the protocol paper, and man wg).

::

    plain on wg0:    │ IP 10.244.1.2 > 10.244.2.3 │ TCP … │
    cipher outside:  │ IP 192.168.64.11 > .12 │ UDP 51820 > 51820 │ 4·session·counter │ ▒▒▒▒▒▒▒▒▒▒▒▒ │ tag │
                       20 (IPv6: 40)            8                   16                  padded to 16   16

**Cryptokey routing** is the whole idea: each peer has a public key and a list of networks, its *allowed IPs*. Sending,
the longest match for the inner destination chooses the peer, and with it the key and the endpoint. Receiving, a
packet that a key opened must come from an inner source that is that very peer's. So an inner address is proof of who
sent it.

Before data there is a handshake, two packets (148 and 92 bytes of UDP), good for three minutes; what wants out
meanwhile waits. A stranger gets no answer at all, to nothing: a wrong key on either side looks like silence, a
timeout. A peer is answered where its last authentic packet came from (roaming).

The outer packet is `Packet.cipher`; its `payload` names the key that opens it, its `inner` is what that key shows, and
neither is printed. The crypto is a model; the keys are real (`curve25519.py`).

Left out: timers (keepalives that are sent by themselves, the handshake repeated every five seconds, cookies under
load), replay windows; a device that is routed into itself goes round until it outgrows the MTU: here it stops at the
recursion limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from k8slearn.journal import Commands, Put, Table, World, digest
from k8slearn.linux import fib, icmp, ip, link, path, stack
from k8slearn.linux.curve25519 import public_key
from k8slearn.linux.rows import Link, Peer, Wireguard
from k8slearn.linux.skb import Net, Outgoing, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step

MTU = 1420
"""1500 less 80: the overhead over IPv6."""
INITIATION, RESPONSE, DATA = 148, 92, 32
"""Bytes of UDP payload: the two handshake messages, and data without what is inside."""
UDP_HEADER = 8
REKEY_AFTER, REJECT_AFTER = 120.0, 180.0
"""Seconds after which the initiator wants new session keys, and after which nobody takes the old ones."""
NO_KEY, NO_ENDPOINT = "Required key not available", "Destination address required"


def add(world: World, netns: str, name: str, mtu: int = 0, into: str = "") -> Commands:
    """``ip link add NAME type wireguard``: no key, no port, no peers; its outer packets travel in `netns`."""
    home = "" if into in ("", netns) else netns
    yield from link.add(world, into or netns, name, "wireguard", mtu or MTU, spec=Wireguard(), home=home)


# --- cryptokey routing -------------------------------------------------------------------------

_Routes = tuple[tuple[int, int, dict[int, str]], ...]
"""(bits of the family, mask, network number -> public key), the longest mask first."""


def _allowed(links: Table) -> dict[str, _Routes]:
    return {row.name: _routes(row.spec) for row in links.values() if isinstance(row.spec, Wireguard)}


def _routes(spec: Wireguard) -> _Routes:
    found: dict[tuple[int, int], dict[int, str]] = {}
    for peer in spec.peers:
        for cidr in peer.allowed_ips:
            number, prefix = ip.network(cidr)
            found.setdefault((ip.bits(cidr), prefix), {})[number] = peer.public_key
    order = sorted(found, reverse=True)
    return tuple((bits, ip.mask(prefix, bits), found[bits, prefix]) for bits, prefix in order)


def peer_for(world: World, netns: str, device: Link, address: str) -> Peer | None:
    """The peer behind which an inner address is (`allowedips.c: wg_allowedips_lookup_dst`)."""
    bits, number = ip.bits(address), ip.number(address)
    for width, mask, routes in world.table(netns, "link").index(_allowed).get(device.name, ()):
        if width == bits and number & mask in routes:
            return peer(device, routes[number & mask])
    return None


def peer(device: Link, key: str) -> Peer | None:
    """The peer with this public key."""
    peers = device.spec.peers if isinstance(device.spec, Wireguard) else ()
    return next((p for p in peers if p.public_key == key), None)


def with_peer(device: Link, changed: Peer) -> Link:
    """The device with this peer in the place of the one with its key."""
    assert isinstance(device.spec, Wireguard)
    peers = tuple(changed if p.public_key == changed.public_key else p for p in device.spec.peers)
    return replace(device, spec=replace(device.spec, peers=peers))


def _write(netns: str, device: Link, changed: Peer) -> Commands:
    if changed != peer(device, changed.public_key):
        yield Put(link.key(netns, device.name), with_peer(device, changed))


def short(key: str) -> str:
    """A key as people say it: its first letters."""
    return f"{key[:8]}…"


# --- sending -----------------------------------------------------------------------------------


def transmit(net: Net, skb: Skb, device: Link) -> None:
    """Choose the peer, then encrypt, or begin a handshake (`device.c: wg_xmit`)."""
    packet, to = skb.packet, peer_for(net.world, skb.netns, device, skb.packet.dst)
    if to is None or to.endpoint is None:
        words = NO_KEY if to is None else NO_ENDPOINT
        says = (
            f"{packet.dst} is in no peer's allowed-ips" if to is None else f"peer {short(to.public_key)}: no endpoint"
        )
        says, why = f"{device.name}: {says}: {words}", because(skb.netns, device)
        net.say(Step(skb.netns, "drop", says, packet, packet, why, reason="NOT_SPECIFIED"))
        net.errno = words
        icmp.error(net, skb, "host-unreachable" if packet.family == "ip" else "addr-unreachable")
        return
    if _live(net, to):
        _send(net, skb.netns, device, to, packet)
        if to.initiator and _age(net, to) >= REKEY_AFTER:
            _initiate(net, skb.netns, device, to)
        return
    waiting = net.staged.setdefault((skb.netns, device.name, to.public_key), [])
    waiting.append(packet)
    says = f"{device.name}: waits until the handshake with peer {short(to.public_key)} is done"
    net.say(Step(skb.netns, "encapsulate", says, packet, packet, because(skb.netns, device, to), device.name))
    if len(waiting) == 1:
        _initiate(net, skb.netns, device, to)


def _age(net: Net, to: Peer) -> float:
    return net.time - to.handshake


def _live(net: Net, to: Peer) -> bool:
    return bool(to.session) and _age(net, to) < REJECT_AFTER


def _send(net: Net, netns: str, device: Link, to: Peer, inner: Packet) -> None:
    """Encrypt for the peer and send (`send.c: encrypt_packet`): padded to 16 bytes, but not beyond the MTU."""
    padded = min(device.mtu, -(-inner.size // 16) * 16) if inner.size <= device.mtu else inner.size
    says = f"{device.name}: encrypts for peer {short(to.public_key)}"
    _post(net, netns, device, to, "data", DATA + padded, to.session, says, inner)


def _initiate(net: Net, netns: str, device: Link, to: Peer) -> None:
    """The first message of a handshake, for the peer's eyes only."""
    spec = device.spec
    assert isinstance(spec, Wireguard)
    if not spec.private_key:
        says = f"{device.name} has no private key: it cannot begin a handshake"
        packet = net.staged[netns, device.name, to.public_key][-1]
        net.say(
            Step(netns, "drop", says, packet, packet, because(netns, device, to), device.name, reason="NOT_SPECIFIED")
        )
        return
    mine = public_key(spec.private_key)
    words = (mine, to.public_key, net.world.revision, net.time, net.attempt)
    session = digest("session", *words, length=12)
    net.pending[netns, device.name, to.public_key] = session
    says = f"{device.name}: begins a handshake with peer {short(to.public_key)}"
    secret = f"{to.public_key} {mine} {session}"
    _post(net, netns, device, to, "handshake initiation", INITIATION, secret, says)


def _post(
    net: Net, netns: str, device: Link, to: Peer, flags: str, size: int, secret: str, says: str,
    inner: Packet | None = None,
) -> None:  # fmt: skip
    """One message to the peer's endpoint, from the device's home (`socket.c: send4`, `send6`)."""
    spec, home = device.spec, device.home or netns
    assert isinstance(spec, Wireguard)
    assert to.endpoint is not None
    address, port = to.endpoint
    found = fib.lookup(net.world, home, address, mark=spec.fwmark)
    src = fib.source_for(net.world, home, found, address) if found.kind in ("unicast", "local") else ""
    header = 20 if ip.bits(address) == 32 else 40
    outer = Packet(
        "udp", src, address, spec.port, port, flags, secret, inner=inner, size=header + UDP_HEADER + size, df=False,
        cipher=True,
    )  # fmt: skip
    net.say(Step(netns, "encapsulate", says, inner or outer, outer, because(netns, device, to), device.name))
    net.count((netns, "counter", ("wireguard", device.name, to.public_key, "tx")), size)
    if not src:
        says = f"{device.name}: no route to the endpoint {address} of peer {short(to.public_key)}"
        net.say(Step(home, "drop", says, outer, outer, found.because, device.name, reason="IP_OUTNOROUTES"))
        return
    path.send_local(net, Outgoing(home, outer, "WireGuard", mark=spec.fwmark, discover="dont"))


# --- receiving ---------------------------------------------------------------------------------


def listeners(world: World, home: str, port: int) -> Iterator[tuple[str, Link, Wireguard]]:
    """The WireGuard devices that are up and have their socket on this port."""
    for netns, device in stack.tunnels(world, home, "wireguard"):
        if isinstance(device.spec, Wireguard) and device.up and device.spec.port == port:
            yield netns, device, device.spec


def receive(net: Net, skb: Skb) -> bool:
    """A UDP datagram for a WireGuard device's port: a message, or nothing at all (`receive.c: wg_packet_receive`)."""
    packet = skb.packet
    for netns, device, _ in listeners(net.world, skb.netns, packet.dport):
        message = MESSAGES.get(packet.flags) if packet.cipher else None
        if message is None:
            net.say(_silence(netns, device, packet, "it is no message of WireGuard's"))
        else:
            message(net, netns, device, packet)
        return True
    return False


def _silence(netns: str, device: Link, packet: Packet, why: str) -> Step:
    says, row = f"{device.name}: {why}: silence", because(netns, device)
    return Step(netns, "drop", says, packet, packet, row, device.name, reason="NOT_SPECIFIED")


def _initiation(net: Net, netns: str, device: Link, packet: Packet) -> None:
    """Only who has the private key can read who is asking; only a known peer is answered."""
    spec = device.spec
    assert isinstance(spec, Wireguard)
    ours, theirs, session = packet.payload.split()
    if ours != public_key(spec.private_key):
        net.say(_silence(netns, device, packet, "the handshake was made for another public key"))
        return
    known = peer(device, theirs)
    if known is None:
        net.say(_silence(netns, device, packet, f"a handshake from {short(theirs)}, who is no peer"))
        return
    known = replace(known, endpoint=(packet.src, packet.sport), upcoming=session)
    net.write(*_write(netns, device, known))
    _received(net, netns, device, known, packet)
    says = f"{device.name}: answers the handshake of peer {short(theirs)}"
    secret = f"{session} {known.preshared_key}"
    _post(net, netns, device, known, "handshake response", RESPONSE, secret, says)


def _response(net: Net, netns: str, device: Link, packet: Packet) -> None:
    """The handshake is done: what waited goes out now."""
    session, _, preshared = packet.payload.partition(" ")
    spec = device.spec
    assert isinstance(spec, Wireguard)
    asked = next((p for p in spec.peers if net.pending.get((netns, device.name, p.public_key)) == session), None)
    if asked is None or preshared != asked.preshared_key:
        why = "nobody asked for this handshake" if asked is None else "the preshared keys differ"
        net.say(_silence(netns, device, packet, why))
        return
    key = (netns, device.name, asked.public_key)
    del net.pending[key]
    endpoint, now = (packet.src, packet.sport), net.time
    done = replace(asked, endpoint=endpoint, session=session, handshake=now, initiator=True, upcoming="")
    net.write(*_write(netns, device, done))
    _received(net, netns, device, done, packet)
    says = f"{device.name}: the handshake with peer {short(asked.public_key)} is done"
    net.say(Step(netns, "decapsulate", says, packet, packet, because(netns, device, done), device.name))
    for waiting in net.staged.pop(key, []):
        _send(net, netns, with_peer(device, done), done, waiting)


def _data(net: Net, netns: str, device: Link, packet: Packet) -> None:
    """Decrypt, and look whether the inner source is that peer's (`receive.c: wg_packet_consume_data_done`)."""
    spec, inner = device.spec, packet.inner
    assert isinstance(spec, Wireguard)
    assert inner is not None
    sender = next((p for p in spec.peers if packet.payload in (p.session, p.upcoming)), None)
    if sender is None:
        net.say(_silence(netns, device, packet, "it has no key for this session"))
        return
    if packet.payload == sender.upcoming:
        now = net.time
        sender = replace(sender, session=sender.upcoming, upcoming="", handshake=now, initiator=False)
    if _age(net, sender) >= REJECT_AFTER:
        net.say(_silence(netns, device, packet, "the session is older than three minutes"))
        return
    sender = replace(sender, endpoint=(packet.src, packet.sport))
    net.write(*_write(netns, device, sender))
    _received(net, netns, device, sender, packet)
    says = f"{device.name}: decrypts what peer {short(sender.public_key)} sent"
    net.say(Step(netns, "decapsulate", says, packet, inner, because(netns, device, sender), device.name))
    owner = peer_for(net.world, netns, device, inner.src)
    if owner is None or owner.public_key != sender.public_key:
        says = f"{device.name}: {inner.src} is not in the allowed-ips of peer {short(sender.public_key)}"
        row = because(netns, device, sender)
        net.say(Step(netns, "drop", says, inner, inner, row, device.name, reason="NOT_SPECIFIED"))
        return
    path.arrive(net, Skb(netns, inner, device.name), fib.link(net.world, netns, device.name) or device)


def _received(net: Net, netns: str, device: Link, sender: Peer, packet: Packet) -> None:
    header = (20 if packet.family == "ip" else 40) + UDP_HEADER
    net.count((netns, "counter", ("wireguard", device.name, sender.public_key, "rx")), packet.size - header)


MESSAGES = {"handshake initiation": _initiation, "handshake response": _response, "data": _data}
"""What a message is -> what is done with it."""


def because(netns: str, device: Link, to: Peer | None = None) -> Because:
    text = f"{device.name}: wireguard"
    if to is not None:
        where = f"{to.endpoint[0]}:{to.endpoint[1]}" if to.endpoint is not None else "(none)"
        text += f", peer {to.public_key} endpoint {where} allowed ips {', '.join(to.allowed_ips) or '(none)'}"
    return Because((netns, "link", device.name), text)
