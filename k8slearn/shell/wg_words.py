"""What ``wg`` is told: words (``wg set``) and configuration files, both into one `Change`.

::

    wg set wg0 listen-port 51820 private-key /dev/stdin peer KEY allowed-ips 10.244.2.0/24 endpoint 192.168.64.12:51820

    [Interface]                 [Peer]
    PrivateKey = …              PublicKey = …
    ListenPort = 51820          AllowedIPs = 10.244.2.0/24
    FwMark = 0x1000             Endpoint = 192.168.64.12:51820

Left out: ports by name, ``+`` and ``-`` before a network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from k8slearn.errors import CommandError
from k8slearn.journal import drive
from k8slearn.linux import ip
from k8slearn.linux.curve25519 import is_key
from k8slearn.linux.wireguard_config import Change, PeerChange
from k8slearn.shell.process import Process
from k8slearn.shell.resolve import resolve

USAGE = (
    "Usage: wg set <interface> [listen-port <port>] [fwmark <mark>] [private-key <file path>] [peer <base64 public "
    "key> [remove] [preshared-key <file path>] [endpoint <ip>:<port>] [persistent-keepalive <interval seconds>] "
    "[allowed-ips <ip1>/<cidr1>[,<ip2>/<cidr2>]...] ]...\n"
)
NO_NUMBER = {
    "fwmark": "Fwmark is neither 0/off nor 0-0xffffffff: `{}'\n",
    "keepalive": "Persistent keepalive interval is neither 0/off nor 1-65535: `{}'\n",
}
Resolver = Callable[[str], str | None]
"""A host's name -> its address, or None."""
File = Callable[[str], str]


def resolver(process: Process) -> Resolver:
    """Names as this process knows them; nothing is kept of the queries."""

    def find(name: str) -> str | None:
        fork = process.world.fork(scratch=True)
        return drive(resolve(replace(process, world=fork), name), fork.apply).address

    return find


def _refuse(words: str) -> NoReturn:
    raise CommandError(words, 1)


def _key(word: str) -> str:
    return word if is_key(word) else _refuse(f"Key is not the correct length or format: `{word}'\n")


def _key_file(text: str) -> str:
    """A file with a key; an empty one takes the key away."""
    if not text:
        return ""
    return text.strip() if is_key(text.strip()) else _refuse("Invalid length key in key file\n")


def _port(word: str) -> int:
    if not word.isascii() or not word.isdigit():
        _refuse(f"Servname not supported for ai_socktype: `{word}'\n")
    return int(word) & 0xFFFF


def _number(word: str, what: str, largest: int) -> int:
    if word == "off":
        return 0
    base = 16 if word.lower().startswith("0x") and what == "fwmark" else 10
    digits = word[2:] if base == 16 else word
    allowed = "0123456789abcdef" if base == 16 else "0123456789"
    if not digits or any(c not in allowed for c in digits.lower()) or int(digits, base) > largest:
        _refuse(NO_NUMBER[what].format(word))
    return int(digits, base)


def _endpoint(word: str, find: Resolver) -> tuple[str, int]:
    if word.startswith("["):
        host, brace, port = word[1:].partition("]")
        if not brace:
            _refuse(f"Unable to find matching brace of endpoint: `{word}'\n")
        port = port.removeprefix(":")
    else:
        host, _, port = word.partition(":")
    if not host or not port:
        _refuse(f"Unable to find port of endpoint: `{word}'\n")
    if not port.isascii() or not port.isdigit():
        _refuse(f"Servname not supported for ai_socktype: `{word}'\n")
    address = find(host)
    if address is None:
        _refuse(f"Name or service not known: `{word}'\n")
    return address, int(port) & 0xFFFF


def _networks(word: str) -> tuple[str, ...]:
    return tuple(_network(part) for part in word.split(",")) if word else ()


def _network(word: str) -> str:
    address, slash, prefix = word.partition("/")
    try:
        bits = ip.bits(address)
        address = ip.canonical(address)
    except ValueError:
        _refuse(f"Unable to parse IP address: `{address}'\n")
    if slash and not (prefix.isascii() and prefix.isdigit() and int(prefix) <= bits):
        _refuse(f"AllowedIP is not in the correct format: `{word}'\n")
    return f"{address}/{int(prefix) if slash else bits}"


# --- wg set ------------------------------------------------------------------------------------


def from_words(words: Sequence[str], file: File, find: Resolver) -> Change:
    """The words after ``wg set DEV``."""
    device: dict[str, Any] = {}
    peers: list[dict[str, Any]] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "remove" and peers:
            peers[-1]["remove"] = True
            continue
        setting = PEER.get(word) if peers or word == "peer" else DEVICE.get(word)
        if setting is None or not left:
            _refuse(f"Invalid argument: {word}\n{USAGE}")
        field, value = setting(left.pop(0), file, find)
        if word == "peer":
            peers.append({})
        (peers[-1] if peers else device)[field] = value
    return Change(**device, peers=tuple(PeerChange(**peer) for peer in peers))


Setting = Callable[[str, File, Resolver], tuple[str, Any]]
DEVICE: Mapping[str, Setting] = {
    "listen-port": lambda word, file, find: ("port", _port(word)),
    "fwmark": lambda word, file, find: ("fwmark", _number(word, "fwmark", 0xFFFFFFFF)),
    "private-key": lambda word, file, find: ("private_key", _key_file(file(word))),
}
PEER: Mapping[str, Setting] = {
    "peer": lambda word, file, find: ("public_key", _key(word)),
    "preshared-key": lambda word, file, find: ("preshared_key", _key_file(file(word))),
    "endpoint": lambda word, file, find: ("endpoint", _endpoint(word, find)),
    "persistent-keepalive": lambda word, file, find: ("keepalive", _number(word, "keepalive", 65535)),
    "allowed-ips": lambda word, file, find: ("allowed_ips", _networks(word)),
}
"""A word -> what its value becomes: (field of `Change` or `PeerChange`, value)."""


# --- wg setconf --------------------------------------------------------------------------------


def from_file(text: str, find: Resolver) -> Change:
    """A configuration file."""
    change, peer, section = Change(), dict[str, Any](), ""
    for line in text.splitlines():
        words = "".join(line.partition("#")[0].split())
        if words.lower() in ("[interface]", "[peer]"):
            change = _with(change, peer, section)
            section, peer = words.lower(), {}
        elif words:
            field, value = _line(words, section, find)
            if section == "[peer]":
                peer[field] = (*peer.get(field, ()), *value) if field == "allowed_ips" else value
            else:
                change = replace(change, **{field: value})
    return _with(change, peer, section)


def _with(change: Change, peer: dict[str, Any], section: str) -> Change:
    if section != "[peer]":
        return change
    if "public_key" not in peer:
        _refuse("A peer is missing a public key\nInvalid configuration\n")
    told = PeerChange(**({"allowed_ips": ()} | peer))
    return replace(change, peers=(*change.peers, told))


def _line(words: str, section: str, find: Resolver) -> tuple[str, Any]:
    name, _, value = words.partition("=")
    setting = FILE.get((section, name.lower()))
    if setting is None or not value:
        _refuse(f"Line unrecognized: `{words}'\nConfiguration parsing error\n")
    try:
        return setting(value, _key, find)
    except CommandError as error:
        raise CommandError(f"{error.stderr}Configuration parsing error\n", 1) from None


FILE: Mapping[tuple[str, str], Setting] = {
    ("[interface]", "listenport"): DEVICE["listen-port"],
    ("[interface]", "fwmark"): DEVICE["fwmark"],
    ("[interface]", "privatekey"): DEVICE["private-key"],
    ("[peer]", "publickey"): PEER["peer"],
    ("[peer]", "presharedkey"): PEER["preshared-key"],
    ("[peer]", "endpoint"): PEER["endpoint"],
    ("[peer]", "persistentkeepalive"): PEER["persistent-keepalive"],
    ("[peer]", "allowedips"): PEER["allowed-ips"],
}
"""(section, key) of a configuration file -> what its value becomes; a key stands there itself, not in a file."""


def warnings(change: Change) -> str:
    """What ``wg setconf`` says of networks that are none."""
    told = [cidr for peer in change.peers for cidr in peer.allowed_ips or ()]
    wrong = [
        cidr for cidr in told if ip.canonical(cidr.partition("/")[0]) != ip.network_of(*_split(cidr)).partition("/")[0]
    ]
    return "".join(f"Warning: AllowedIP has nonzero host part: {cidr}\n" for cidr in wrong)


def _split(cidr: str) -> tuple[str, int]:
    address, _, prefix = cidr.partition("/")
    return address, int(prefix)
