"""``wg show`` and ``wg showconf``: WireGuard devices as people and as scripts read them.

The peer of the newest handshake stands first. Keys that are secret are hidden unless a script asks for them.
Handshakes are told by the logical clock; bytes are counted while traffic is recorded.

Left out: colours, ``WG_COLOR_MODE``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from k8slearn.errors import CommandError
from k8slearn.journal import World
from k8slearn.linux.curve25519 import public_key
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Link, Peer, Wireguard
from k8slearn.shell.process import Process

USAGE = (
    "Usage: wg show { <interface> | all | interfaces } [public-key | private-key | listen-port | fwmark | peers | "
    "preshared-keys | endpoints | allowed-ips | latest-handshakes | transfer | persistent-keepalive | dump]\n"
)
UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def devices(process: Process) -> list[Link]:
    """The WireGuard devices of the namespace, by index."""
    links = sorted(process.world.table(process.netns, "link").values(), key=lambda link: link.index)
    return [link for link in links if isinstance(link.spec, Wireguard)]


def show(process: Process) -> Running:
    """``wg show [DEV|all|interfaces] [WHAT]``."""
    yield from ()
    words = process.argv
    if len(words) > 2:
        raise CommandError(USAGE, 1)
    who, what = words[0] if words else "all", words[1] if len(words) > 1 else ""
    if who in ("--help", "-h", "help"):
        return Result(USAGE)
    found = devices(process)
    if who == "interfaces":
        return Result(" ".join(device.name for device in found) + ("\n" if found else ""))
    if who != "all":
        found = [_device(process, who)]
    if what and what not in WHAT:
        if found:
            raise CommandError(f"Invalid parameter: `{what}'\n{USAGE}", 1)
        return Result()
    if not what:
        hidden = process.env.get("WG_HIDE_KEYS") != "never"
        return Result("\n".join(_pretty(process, device, hidden) for device in found))
    lines = [(device.name, line) for device in found for line in WHAT[what](process, device)]
    return Result("".join(f"{name}\t{line}\n" if who == "all" else f"{line}\n" for name, line in lines))


def _device(process: Process, name: str) -> Link:
    link: Link | None = process.world.table(process.netns, "link").get(name)
    if link is None or not isinstance(link.spec, Wireguard):
        why = "No such device" if link is None else "Operation not supported"
        raise CommandError(f"Unable to access interface: {why}\n", 1)
    return link


def spec_of(device: Link) -> Wireguard:
    assert isinstance(device.spec, Wireguard)
    return device.spec


def peers(device: Link) -> list[Peer]:
    """The peers, the newest handshake first (`sort_peers`)."""
    return sorted(spec_of(device).peers, key=lambda peer: -peer.handshake)


# --- for people --------------------------------------------------------------------------------


def _pretty(process: Process, device: Link, hidden: bool) -> str:
    spec = spec_of(device)
    text = f"interface: {device.name}\n"
    if spec.private_key:
        text += f"  public key: {public_key(spec.private_key)}\n"
        text += f"  private key: {'(hidden)' if hidden else spec.private_key}\n"
    text += f"  listening port: {spec.port}\n" if spec.port else ""
    text += f"  fwmark: {spec.fwmark:#x}\n" if spec.fwmark else ""
    return text + "".join("\n" + _pretty_peer(process, device, peer, hidden) for peer in peers(device))


def _pretty_peer(process: Process, device: Link, peer: Peer, hidden: bool) -> str:
    text = f"peer: {peer.public_key}\n"
    if peer.preshared_key:
        text += f"  preshared key: {'(hidden)' if hidden else peer.preshared_key}\n"
    text += f"  endpoint: {_endpoint(peer)}\n" if peer.endpoint is not None else ""
    text += f"  allowed ips: {', '.join(peer.allowed_ips) or '(none)'}\n"
    if peer.handshake >= 0:
        text += f"  latest handshake: {ago(process.world.clock - peer.handshake)}\n"
    received, sent = transfer(process.world, process.netns, device, peer)
    text += f"  transfer: {_bytes(received)} received, {_bytes(sent)} sent\n" if received or sent else ""
    text += f"  persistent keepalive: every {span(peer.keepalive)}\n" if peer.keepalive else ""
    return text


def span(seconds: int) -> str:
    """``1 minute, 5 seconds``."""
    words = []
    for unit, length in UNITS:
        count, seconds = divmod(seconds, length)
        words += [f"{count} {unit}{'' if count == 1 else 's'}"] if count else []
    return ", ".join(words)


def ago(seconds: float) -> str:
    """How long that is past."""
    return f"{span(int(seconds))} ago" if seconds >= 1 else "Now"


def _bytes(count: int) -> str:
    if count < 1024:
        return f"{count} B"
    size, unit = count / 1024, "KiB"
    for larger in ("MiB", "GiB", "TiB"):
        if size >= 1024:
            size, unit = size / 1024, larger
    return f"{size:.2f} {unit}"


def _endpoint(peer: Peer) -> str:
    if peer.endpoint is None:
        return "(none)"
    address, port = peer.endpoint
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def transfer(world: World, netns: str, device: Link, peer: Peer) -> tuple[int, int]:
    """Bytes (received, sent): what was counted while somebody recorded."""
    received = world.get((netns, "counter", ("wireguard", device.name, peer.public_key, "rx")))
    sent = world.get((netns, "counter", ("wireguard", device.name, peer.public_key, "tx")))
    return (received[1] if received else 0), (sent[1] if sent else 0)


# --- for scripts -------------------------------------------------------------------------------

Lines = Callable[[Process, Link], list[str]]


def _each(column: Callable[[Process, Link, Peer], str]) -> Lines:
    """A line for each peer: its key, and a value."""

    def lines(process: Process, device: Link) -> list[str]:
        return [f"{peer.public_key}\t{column(process, device, peer)}" for peer in peers(device)]

    return lines


def _seconds(peer: Peer) -> int:
    return max(int(peer.handshake), 1) if peer.handshake >= 0 else 0


def _transferred(process: Process, device: Link, peer: Peer) -> str:
    return "\t".join(map(str, transfer(process.world, process.netns, device, peer)))


def _fwmark(device: Link) -> str:
    return f"{spec_of(device).fwmark:#x}" if spec_of(device).fwmark else "off"


def _dump(process: Process, device: Link) -> list[str]:
    spec = spec_of(device)
    keys = (spec.private_key or "(none)", public_key(spec.private_key) or "(none)")
    lines = ["\t".join((*keys, str(spec.port), _fwmark(device)))]
    for peer in peers(device):
        words = (
            peer.public_key,
            peer.preshared_key or "(none)",
            _endpoint(peer),
            ",".join(peer.allowed_ips) or "(none)",
        )
        numbers = (str(_seconds(peer)), _transferred(process, device, peer), str(peer.keepalive or "off"))
        lines.append("\t".join((*words, *numbers)))
    return lines


WHAT: Mapping[str, Lines] = {
    "public-key": lambda process, device: [public_key(spec_of(device).private_key) or "(none)"],
    "private-key": lambda process, device: [spec_of(device).private_key or "(none)"],
    "listen-port": lambda process, device: [str(spec_of(device).port)],
    "fwmark": lambda process, device: [_fwmark(device)],
    "peers": lambda process, device: [peer.public_key for peer in peers(device)],
    "preshared-keys": _each(lambda process, device, peer: peer.preshared_key or "(none)"),
    "endpoints": _each(lambda process, device, peer: _endpoint(peer)),
    "allowed-ips": _each(lambda process, device, peer: " ".join(peer.allowed_ips) or "(none)"),
    "latest-handshakes": _each(lambda process, device, peer: str(_seconds(peer))),
    "transfer": _each(_transferred),
    "persistent-keepalive": _each(lambda process, device, peer: str(peer.keepalive or "off")),
    "dump": _dump,
}


def showconf(process: Process) -> Running:
    """``wg showconf DEV``: a file that ``wg setconf`` reads."""
    yield from ()
    if len(process.argv) != 1:
        raise CommandError("Usage: wg showconf <interface>\n", 1)
    device = _device(process, process.argv[0])
    spec = spec_of(device)
    text = "[Interface]\n" + (f"ListenPort = {spec.port}\n" if spec.port else "")
    text += f"FwMark = {spec.fwmark:#x}\n" if spec.fwmark else ""
    text += f"PrivateKey = {spec.private_key}\n" if spec.private_key else ""
    return Result("\n".join([text, *map(_section, spec.peers)]))


def _section(peer: Peer) -> str:
    text = f"[Peer]\nPublicKey = {peer.public_key}\n"
    text += f"PresharedKey = {peer.preshared_key}\n" if peer.preshared_key else ""
    text += f"AllowedIPs = {', '.join(peer.allowed_ips)}\n" if peer.allowed_ips else ""
    text += f"Endpoint = {_endpoint(peer)}\n" if peer.endpoint is not None else ""
    return text + (f"PersistentKeepalive = {peer.keepalive}\n" if peer.keepalive else "")
