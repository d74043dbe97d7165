"""``bridge``: a bridge's ports, its forwarding table (`bridge_fdb`) and its VLANs (`bridge_vlan`); iproute2 6.1.

Left out: ``mdb`` (multicast), ``vni``, ``monitor``, spanning tree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from k8slearn.errors import CommandError
from k8slearn.linux import switch
from k8slearn.linux.device import by_index
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Link
from k8slearn.shell import bridge_fdb, bridge_vlan
from k8slearn.shell.bridge_fdb import device
from k8slearn.shell.ip_link import flags, full_name, link_fields
from k8slearn.shell.iproute import Fields, Options, Words, answer, choose, match, not_modelled, parse_options
from k8slearn.shell.links.bridge_slave import cost as port_cost
from k8slearn.shell.links.bridge_slave import fields as port_fields
from k8slearn.shell.links.bridge_slave import state as port_state
from k8slearn.shell.process import Process
from k8slearn.shell.wrappers import named_netns

VERSION = "bridge utility, 6.1.0\n"
USAGE = """Usage: bridge [ OPTIONS ] OBJECT { COMMAND | help }
where  OBJECT := { link | fdb | vlan }
       OPTIONS := { -V[ersion] | -d[etails] | -o[neline] | -n[etns] name | -p[retty] | -j[son] }
"""
Command = Callable[[Process, Options, Words], Running]


def program(process: Process) -> Running:
    """Run ``bridge``. A failure that ``ip`` ends with 2, ``bridge`` ends with 255."""
    words = Words(process.argv)
    if process.argv[:1] and process.argv[0] in ("-V", "-Version"):
        return Result(VERSION)
    options = parse_options(words, "bridge")
    if options.netns:
        scope = named_netns(process, options.netns)
        if scope is None:
            raise CommandError(f'Cannot open network namespace "{options.netns}": No such file or directory\n', 255)
        process = replace(process, netns=scope)
    name = words.take() if words else "help"
    commands = match(name, OBJECTS)
    if commands is None:
        complaint = USAGE if "help".startswith(name) else f'Object "{name}" is unknown, try "bridge help".\n'
        raise CommandError(complaint, 255)
    tool = f"bridge {next(o for o in OBJECTS if o.startswith(name))}"
    try:
        return (yield from choose(words, commands, "show", tool)(process, options, words))
    except CommandError as error:
        raise CommandError(error.stderr, 255 if error.exit_code == 2 else error.exit_code) from None


def show_links(process: Process, options: Options, words: Words) -> Running:
    """``bridge link [show] [dev PORT]``."""
    yield from ()
    dev = ""
    while words:
        word = words.take()
        dev = words.take() if word == "dev" else word
    if dev:
        device(process, dev)
    links: list[Link] = list(process.world.table(process.netns, "link").values())
    mine = sorted((link for link in links if link.master and dev in ("", link.name)), key=lambda link: link.index)
    return answer(options, [_link_fields(process, options, link) for link in mine], _link_text)


def _link_fields(process: Process, options: Options, link: Link) -> Fields:
    whole = link_fields(process, Options(), link, False)
    row: Fields = {n: whole[n] for n in ("ifindex", "link", "ifname") if n in whole}
    down: list[str] = []
    if "link_index" in whole:  # bridge/link.c looks the index up here, wherever the other end is
        here = by_index(process.world, process.netns).get(whole["link_index"])
        row["link"] = here.name if here is not None else f"if{whole['link_index']}"
        down = ["M-DOWN"] if here is not None and not here.up else []
    row |= {"flags": [*flags(process.world, process.netns, link), *down], "mtu": link.mtu, "master": link.master}
    row |= {
        "state": port_state(process.world, process.netns, link),
        "priority": 32,
        "cost": port_cost(process.world, link),
    }
    if options.details:
        settings = port_fields(process.world, process.netns, link)
        row |= {name: settings[SAME.get(name, name)] for name in DETAILS}
    return row


SAME = {"mcast_router": "multicast_router"}


DETAILS = (
    *("hairpin", "guard", "root_block", "fastleave", "learning", "flood", "mcast_flood", "bcast_flood", "mcast_router"),
    *("mcast_to_unicast", "neigh_suppress", "vlan_tunnel", "isolated", "locked"),
)


def _link_text(row: Fields) -> str:
    head = f"{row['ifindex']}: {full_name(row)}: <{','.join(row['flags'])}> mtu {row['mtu']} master {row['master']} "
    head += f"state {row['state']} priority {row['priority']} cost {row['cost']} \n"
    words = [f"{n} {row[n] if n == 'mcast_router' else 'on' if row[n] else 'off'} " for n in DETAILS if n in row]
    return head + (f"    {''.join(words)}\n" if words else "")


def set_link(process: Process, options: Options, words: Words) -> Running:
    """``bridge link set dev PORT hairpin on|off ...``."""
    dev, wanted = "", dict[str, bool]()
    while words:
        word = words.take()
        if word == "dev":
            dev = words.take()
        elif word in switch.PORT_SETTINGS and word != "proxy_arp":
            value = words.take()
            if value not in ("on", "off"):
                raise CommandError(f'Error: argument of "{word}" must be one of "off", "on", not "{value}"\n', 234)
            wanted[word] = value == "on"
        elif word not in ("self", "master"):
            not_modelled(f"bridge link set {word}")
    if not dev:
        raise CommandError("Device is a required argument.\n", 255)
    device(process, dev, "bridge device")
    yield from switch.set_port(process.world, process.netns, dev, wanted)
    return Result()


def _elsewhere(process: Process, options: Options, words: Words) -> Running:
    yield from ()
    not_modelled("bridge mdb")


OBJECTS: dict[str, dict[str, Command]] = {
    "vlan": {
        "add": bridge_vlan.add,
        "delete": bridge_vlan.delete,
        "show": bridge_vlan.show,
        "lst": bridge_vlan.show,
        "list": bridge_vlan.show,
    },
    "mdb": dict.fromkeys(("show", "add", "delete"), _elsewhere),
    "link": {"set": set_link, "show": show_links, "list": show_links, "lst": show_links},
    "fdb": {
        "add": bridge_fdb.add,
        "append": bridge_fdb.append,
        "replace": bridge_fdb.change,
        "delete": bridge_fdb.delete,
        "flush": bridge_fdb.flush,
        "get": bridge_fdb.get,
        "show": bridge_fdb.show,
        "list": bridge_fdb.show,
        "lst": bridge_fdb.show,
    },
}
