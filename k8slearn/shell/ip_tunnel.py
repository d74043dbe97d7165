"""``ip tunnel``: tunnels of IP in IP, in the words of the time before ``ip link add type``.

They are the same devices. What is made here carries ``ip/ip``, what ``ip link add type ipip`` makes ``any/ip``.

Left out: gre, sit, isatap and vti, keys, ``tos``, ``prl`` and ``6rd``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from k8slearn.errors import CommandError
from k8slearn.journal import Commands
from k8slearn.linux import ipip, link
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Ipip, Link
from k8slearn.shell.iproute import Fields, Options, Words, answer, garbage, not_modelled, wrong
from k8slearn.shell.links.ipip import INCOMPATIBLE, TTL, address, ttl
from k8slearn.shell.process import Process

MODES = {"ipip": "ipip", "ip/ip": "ipip", "gre": "gre", "gre/ip": "gre", "sit": "sit", "ipv6/ip": "sit"}
MODES |= {"isatap": "sit", "vti": "vti"}
NAMES = {"gre": "gre", "ipip": "ipip", "sit": "sit", "isatap": "sit", "vti": "vti"}
"""How a name begins -> the mode that this asks for."""
ELSEWHERE = ("key", "ikey", "okey", "seq", "iseq", "oseq", "csum", "icsum", "ocsum", "tos", "tclass", "external")
UNKNOWN = "cannot determine tunnel mode (ipip, gre, vti or sit)\n"


def _words(process: Process, words: Words) -> dict[str, Any]:
    """What was said: ``name``, ``mode`` and fields of `Ipip`, ``dev``."""
    told: dict[str, Any] = {}
    while words:
        word = words.take()
        if word == "mode":
            _mode(words.take(), told)
        elif word in ("remote", "local"):
            told[word] = address(words.take(), "an IP address", "")
        elif word == "dev":
            told["dev"] = words.take()
        elif word in TTL:
            told["ttl"] = ttl(words.take())
        elif word in ("pmtudisc", "nopmtudisc"):
            told["pmtudisc"] = word == "pmtudisc"
        elif word in ELSEWHERE:
            not_modelled(f"ip tunnel {word}")
        else:
            _name(words.take() if word == "name" else word, told)
    for start, mode in NAMES.items():
        if "mode" not in told and told.get("name", "").startswith(start):
            told["mode"] = mode
    if told.get("dev", "lo") not in process.world.table(process.netns, "link"):
        raise CommandError(f'Cannot find device "{told["dev"]}"\n', 1)
    return told


def _mode(word: str, told: dict[str, Any]) -> None:
    if word not in MODES:
        raise CommandError(f'Unknown tunnel mode "{word}"\n', 255)
    if told.setdefault("mode", MODES[word]) != MODES[word]:
        raise CommandError("You managed to ask for more than one tunnel mode.\n", 255)


def _name(word: str, told: dict[str, Any]) -> None:
    if "name" in told:
        garbage("name", word)
    if not word or len(word) > 15 or "/" in word:
        wrong(word, '"name" not a valid ifname', "\n")
    told["name"] = word


def _spec(told: dict[str, Any], before: Ipip) -> Ipip:
    fields = {name: told[name] for name in ("local", "remote", "ttl", "pmtudisc") if name in told}
    return replace(before, **fields)


def _device(process: Process, name: str) -> Link | None:
    found: Link | None = process.world.table(process.netns, "link").get(name)
    return found if found is not None and isinstance(found.spec, Ipip) else None


def _failed(what: str, name: str, error: CommandError) -> CommandError:
    """The kernel's refusal, as an ioctl's caller tells it."""
    words = error.stderr.strip().removeprefix("RTNETLINK answers: ")
    return CommandError(f'{what} tunnel "{name}" failed: {words}\n', 1)


def add(process: Process, options: Options, words: Words) -> Running:
    """``ip tunnel add [NAME] mode ipip [remote B] [local A] [ttl N] [dev DEV]``."""
    told = _words(process, words)
    spec, mode = _spec(told, Ipip(proto="ipip")), told.get("mode", "")
    if spec.ttl and not spec.pmtudisc:
        raise CommandError(INCOMPATIBLE, 1)
    if not mode:
        raise CommandError(UNKNOWN, 1)
    if mode != "ipip":
        not_modelled(f"ip tunnel add mode {mode}")
    yield from _add(process, told, spec)
    return Result()


def _add(process: Process, told: dict[str, Any], spec: Ipip) -> Commands:
    name = told.get("name", "")
    try:
        yield from ipip.load(process.world, process.machine)
        name = name or ipip.free_name(process.world, process.netns)
        yield from ipip.add(process.world, process.netns, name, spec, told.get("dev", ""))
    except CommandError as error:
        raise _failed("add", ipip.FALLBACK, error) from None


def change(process: Process, options: Options, words: Words) -> Running:
    """``ip tunnel change NAME ...``: what is not said stays."""
    told = _words(process, words)
    name = told.get("name", "")
    device = _device(process, name)
    if device is None:
        raise _failed("get", name, CommandError("No such device"))
    assert isinstance(device.spec, Ipip)
    spec = _spec(told, device.spec)
    if spec.ttl and not spec.pmtudisc:
        raise CommandError(INCOMPATIBLE, 1)
    dev = told.get("dev", device.lower[1] if device.lower is not None else "")
    try:
        yield from ipip.change(process.world, process.netns, name, spec, dev)
    except CommandError as error:
        raise _failed("add", name, error) from None
    return Result()


def delete(process: Process, options: Options, words: Words) -> Running:
    """``ip tunnel del NAME``; ``tunl0`` stays."""
    name = _words(process, words).get("name", "")
    if _device(process, name) is None or name == ipip.FALLBACK:
        why = "Operation not permitted" if name == ipip.FALLBACK else "No such device"
        raise _failed("delete", name, CommandError(why))
    yield from link.delete(process.world, process.netns, name)
    return Result()


def show(process: Process, options: Options, words: Words) -> Running:
    """``ip tunnel [show [NAME]]``."""
    yield from ()
    told = _words(process, words)
    links = sorted(process.world.table(process.netns, "link").values(), key=lambda row: row.index)
    rows = [row for row in links if isinstance(row.spec, Ipip)]
    name = told.get("name", "")
    if "mode" in told:
        name = name or ipip.FALLBACK
        if _device(process, name) is None:
            raise _failed("get", name, CommandError("No such device"))
    wanted = [row for row in rows if name in ("", row.name) and _is_as(row, told)]
    return answer(options, [_fields(row) for row in wanted], _text)


def _is_as(row: Link, told: dict[str, Any]) -> bool:
    return all(told.get(name) in (None, "", getattr(row.spec, name)) for name in ("local", "remote"))


def _fields(row: Link) -> Fields:
    spec = row.spec
    assert isinstance(spec, Ipip)
    found: Fields = {"ifname": row.name, "mode": f"{'ip' if spec.proto == 'ipip' else 'any'}/ip"}
    found |= {"remote": spec.remote or "0.0.0.0", "local": spec.local or "0.0.0.0"}
    found |= {"dev": row.lower[1]} if row.lower is not None else {}
    found |= {"ttl": spec.ttl} if spec.ttl else {}
    return found | ({} if spec.pmtudisc else {"nopmtudisc": None})


def _text(row: Fields) -> str:
    ends = [row[end] if row[end] != "0.0.0.0" else "any" for end in ("remote", "local")]
    dev = f" dev {row['dev']}" if "dev" in row else ""
    discovery = " nopmtudisc" if "nopmtudisc" in row else ""
    words = f"{row['ifname']}: {row['mode']} remote {ends[0]} local {ends[1]}{dev}"
    return f"{words} ttl {row.get('ttl', 'inherit')}{discovery}\n"


COMMANDS = {"add": add, "change": change, "chg": change, "del": delete, "show": show, "list": show, "lst": show}
