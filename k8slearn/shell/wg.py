"""``wg``: keys, and what a WireGuard device is told (wireguard-tools 1.0).

``wg set`` and the configuration file say the same things in two grammars (`wg_words`); ``wg show`` prints them
(`wg_show`). A file is one of the machine's own, or ``/dev/stdin``.

Left out: ``wg-quick``, colours, the warning about files that others can read, waiting for a name to be resolved.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace

from k8slearn.errors import CommandError
from k8slearn.journal import Put
from k8slearn.linux import curve25519
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Wireguard
from k8slearn.linux.wireguard_config import Change, PeerChange, configure
from k8slearn.shell import files, wg_show, wg_words
from k8slearn.shell.process import Process

USAGE = "Usage: wg <cmd> [<args>]\n\nAvailable subcommands: show, showconf, set, setconf, addconf, syncconf, genkey, "
USAGE += "genpsk, pubkey\n"


def program(process: Process) -> Running:
    """Run ``wg``."""
    name = process.argv[0] if process.argv else "show"
    if name in ("--help", "-h", "help"):
        return Result(USAGE)
    if name in ("-v", "--version", "version"):
        return Result("wireguard-tools v1.0.20210914 - https://git.zx2c4.com/wireguard-tools/\n")
    command = COMMANDS.get(name)
    if command is None:
        raise CommandError(f"Invalid subcommand: `{name}'\n{USAGE}", 1)
    return (yield from command(replace(process, argv=process.argv[1:])))


def _drawn(process: Process) -> tuple[str, int]:
    """How many keys this machine has made: so that each is another one."""
    count = process.world.get((process.machine, "keys", "")) or 0
    return process.machine, count


def genkey(process: Process) -> Running:
    """``wg genkey``: a new private key."""
    if process.argv:
        raise CommandError("Usage: wg genkey\n", 1)
    machine, count = _drawn(process)
    yield Put((machine, "keys", ""), count + 1)
    return Result(curve25519.made_up_key(machine, count, process.world.get(("chance", "seed", ""))) + "\n")


def genpsk(process: Process) -> Running:
    """``wg genpsk``: a new secret for a pair of peers."""
    if process.argv:
        raise CommandError("Usage: wg genpsk\n", 1)
    machine, count = _drawn(process)
    yield Put((machine, "keys", ""), count + 1)
    return Result(curve25519.preshared_key(machine, count, process.world.get(("chance", "seed", ""))) + "\n")


def pubkey(process: Process) -> Running:
    """``wg pubkey``: the public key of the private one on standard input."""
    yield from ()
    if process.argv:
        raise CommandError("Usage: wg pubkey\n", 1)
    key = process.stdin.strip()
    if not curve25519.is_key(key):
        raise CommandError("wg: Key is not the correct length or format\n", 1)
    private = base64.b64decode(key)
    return Result(base64.b64encode(curve25519.x25519(private, curve25519.BASE)).decode() + "\n")


def read(process: Process, path: str) -> str:
    """A file's text. Raises CommandError as fopen() fails."""
    known = {"/dev/stdin": process.stdin, "/dev/null": ""}
    text = known[path] if path in known else files.read(process, path)
    if text is None:
        raise CommandError("fopen: No such file or directory\n", 1)
    return text


def change(process: Process) -> Running:
    """``wg set DEV ...``."""
    if len(process.argv) < 2:
        raise CommandError(wg_words.USAGE, 1)
    told = wg_words.from_words(process.argv[1:], lambda path: read(process, path), wg_words.resolver(process))
    yield from configure(process.world, process.netns, process.argv[0], told)
    return Result()


def _from_file(process: Process, name: str) -> tuple[str, Change]:
    if len(process.argv) != 2:
        raise CommandError(f"Usage: wg {name} <interface> <configuration filename>\n", 1)
    text = read(process, process.argv[1])
    return process.argv[0], wg_words.from_file(text, wg_words.resolver(process))


def setconf(process: Process) -> Running:
    """``wg setconf DEV FILE``: what the file does not say is gone."""
    dev, told = _from_file(process, "setconf")
    yield from configure(process.world, process.netns, dev, _whole(told, replace_peers=True))
    return Result("", wg_words.warnings(told))


def addconf(process: Process) -> Running:
    """``wg addconf DEV FILE``: what the file does not say stays."""
    dev, told = _from_file(process, "addconf")
    yield from configure(process.world, process.netns, dev, told)
    return Result("", wg_words.warnings(told))


def syncconf(process: Process) -> Running:
    """``wg syncconf DEV FILE``: as setconf, but the peers that stay keep their sessions."""
    dev, told = _from_file(process, "syncconf")
    device = process.world.table(process.netns, "link").get(dev)
    spec = device.spec if device is not None else None
    named = {peer.public_key for peer in told.peers}
    gone = [p.public_key for p in spec.peers if p.public_key not in named] if isinstance(spec, Wireguard) else []
    peers = (*told.peers, *(PeerChange(key, remove=True) for key in gone))
    yield from configure(process.world, process.netns, dev, _whole(replace(told, peers=peers)))
    return Result("", wg_words.warnings(told))


def _whole(told: Change, replace_peers: bool = False) -> Change:
    return replace(
        told,
        private_key=told.private_key or "",
        port=told.port or 0,
        fwmark=told.fwmark or 0,
        replace_peers=replace_peers,
    )


COMMANDS: Mapping[str, Callable[[Process], Running]] = {
    "show": wg_show.show,
    "showconf": wg_show.showconf,
    "set": change,
    "setconf": setconf,
    "addconf": addconf,
    "syncconf": syncconf,
    "genkey": genkey,
    "genpsk": genpsk,
    "pubkey": pubkey,
}
