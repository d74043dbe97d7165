"""``bridge``: a bridge's ports and its forwarding table (iproute2 6.1).

The forwarding table says behind which port a MAC is. The kernel learns the entries without a word behind them from
the frames that come in; a port's own MAC is ``permanent``. ``self`` entries are a device's own multicast filter, not
the bridge's knowledge.

Left out: VLANs, multicast, spanning tree, and unicast entries of a device's own filter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from k8slearn.errors import CommandError
from k8slearn.journal import Put, Remove
from k8slearn.linux import switch
from k8slearn.linux.device import ports
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Fdb, Link
from k8slearn.shell.ip_link import flags, full_name, link_fields
from k8slearn.shell.iproute import Fields, Options, Words, answer, choose, garbage, match, not_modelled, parse_options
from k8slearn.shell.links.bridge_slave import fields as port_fields
from k8slearn.shell.links.bridge_slave import state as port_state
from k8slearn.shell.links.words import MAC
from k8slearn.shell.process import Process
from k8slearn.shell.wrappers import named_netns

VERSION = "bridge utility, 6.1.0\n"
USAGE = """Usage: bridge [ OPTIONS ] OBJECT { COMMAND | help }
where  OBJECT := { link | fdb }
       OPTIONS := { -V[ersion] | -d[etails] | -o[neline] | -n[etns] name | -p[retty] | -j[son] }
"""
ALL_HOSTS = {4: "01:00:5e:00:00:01", 6: "33:33:00:00:00:01"}
SNOOPERS = ("01:00:5e:00:00:6a", "33:33:00:00:00:6a")
Command = Callable[[Process, Options, Words], Running]


def program(process: Process) -> Running:
    """Run ``bridge``. A failure that ``ip`` ends with 1 or 2, ``bridge`` ends with 255."""
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
        raise CommandError(error.stderr, 255 if error.exit_code in (1, 2) else error.exit_code) from None


def _find(process: Process, name: str, what: str = "device") -> Link:
    found: Link | None = process.world.get((process.netns, "link", name))
    if found is None:
        raise CommandError(f'Cannot find {what} "{name}"\n', 255)
    return found


def show_links(process: Process, options: Options, words: Words) -> Running:
    """``bridge link [show] [dev PORT]``."""
    yield from ()
    dev = ""
    while words:
        word = words.take()
        dev = words.take() if word == "dev" else word
    if dev:
        _find(process, dev)
    links: list[Link] = list(process.world.table(process.netns, "link").values())
    mine = sorted((link for link in links if link.master and dev in ("", link.name)), key=lambda link: link.index)
    return answer(options, [_link_fields(process, options, link) for link in mine], _link_text)


def _link_fields(process: Process, options: Options, link: Link) -> Fields:
    whole = link_fields(process, Options(), link, False)
    row: Fields = {n: whole[n] for n in ("ifindex", "link", "link_index", "ifname") if n in whole}
    row |= {"flags": flags(process.world, process.netns, link), "mtu": link.mtu, "master": link.master}
    row |= {"state": port_state(process.world, process.netns, link), "priority": 32, "cost": 2}
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
        elif word in switch.PORT_SETTINGS:
            value = words.take()
            if value not in ("on", "off"):
                raise CommandError(f'Error: argument of "{word}" must be one of "off", "on", not "{value}"\n', 234)
            wanted[word] = value == "on"
        elif word not in ("self", "master"):
            not_modelled(f"bridge link set {word}")
    if not dev:
        raise CommandError("Device is a required argument.\n", 255)
    _find(process, dev, "bridge device")
    yield from switch.set_port(process.world, process.netns, dev, wanted)
    return Result()


def show_fdb(process: Process, options: Options, words: Words) -> Running:
    """``bridge fdb [show] [br BRIDGE] [brport PORT] [dev DEV] [dynamic|static|permanent]``."""
    yield from ()
    bridge = dev = state = ""
    while words:
        word = words.take()
        if word == "br":
            bridge = words.take()
            _find(process, bridge, "bridge device")
        elif word in ("brport", "dev"):
            dev = words.take()
            _find(process, dev)
        elif word in ("dynamic", "static", "permanent"):
            state = word
        elif word != "state":
            garbage("dev", word)
    links = sorted(process.world.table(process.netns, "link").values(), key=lambda link: link.index)
    rows = [row for link in links if bridge in ("", link.name, link.master) for row in _entries(process, link)]
    rows = [row for row in rows if dev in ("", row["ifname"]) and state in ("", row["state"] or "dynamic")]
    if dev:
        rows = [{name: value for name, value in row.items() if name != "ifname"} for row in rows]
    return answer(options, rows, _fdb_text)


def _entries(process: Process, link: Link) -> Iterator[Fields]:
    """What the kernel lists for one device: a bridge lists itself first, a port its bridge's knowledge."""
    if link.kind == "loopback":
        return
    if link.master:
        yield from _known(process, link)
    yield _entry(ALL_HOSTS[6], link, "permanent")
    if link.kind == "bridge" and link.up:
        yield from (_entry(mac, link, "permanent") for mac in SNOOPERS)
    if link.up:
        yield _entry(ALL_HOSTS[4], link, "permanent")
    if link.kind == "bridge" and link.mac not in {port.mac for port in ports(process.world, process.netns, link.name)}:
        yield _entry(link.mac, link, "permanent", link.name)


def _known(process: Process, port: Link) -> Iterator[Fields]:
    """Newest first: a bridge puts what it learns at the head of a list (br_fdb.c)."""
    rows: list[Fdb] = list(process.world.table(process.netns, "fdb").values())
    for row in reversed([row for row in rows if row.bridge == port.master and row.port == port.name]):
        yield _entry(row.mac, port, "" if row.state == "learned" else row.state, port.master)
    yield _entry(port.mac, port, "permanent", port.master)


def _entry(mac: str, link: Link, state: str, master: str = "") -> Fields:
    row: Fields = {"mac": mac, "ifname": link.name, "flags": [] if master else ["self"]}
    return row | ({"master": master} if master else {}) | {"state": state}


def _fdb_text(row: Fields) -> str:
    words = [row["mac"], *(("dev", row["ifname"]) if "ifname" in row else ()), *row["flags"]]
    words += ["master", row["master"]] if "master" in row else []
    return " ".join(words) + f" {row['state']}\n"


def get_fdb(process: Process, options: Options, words: Words) -> Running:
    """``bridge fdb get MAC br BRIDGE``."""
    yield from ()
    mac = words.take()
    bridge = words.take() if words and words.take() == "br" else ""
    _find(process, bridge, "bridge device")
    links: list[Link] = [*ports(process.world, process.netns, bridge), _find(process, bridge)]
    rows = [row for link in links for row in _entries(process, link) if row.get("master") and row["mac"] == mac.lower()]
    if not rows:
        raise CommandError("Error: Fdb entry not found.\n", 254)
    return answer(options, rows[:1], _fdb_text)


STATES = {"static": "static", "dynamic": "learned", "temp": "static", "permanent": "permanent", "local": "permanent"}


def _written(process: Process, words: Words) -> Fdb:
    """``MAC dev PORT master [static|dynamic]`` as a row."""
    mac = dev = ""
    state, master = "permanent", False
    while words:
        word = words.take()
        if word in ("dev", "port"):
            dev = words.take()
        elif word in STATES:
            state = STATES[word]
        elif word in ("master", "self"):
            master = master or word == "master"
        elif word in ("vlan", "dst", "via", "vni", "src_vni", "sticky", "extern_learn", "router", "use"):
            not_modelled(f"bridge fdb {word}")
        else:
            mac = word
    if not dev or not mac:
        raise CommandError("Device and address are required arguments.\n", 255)
    if MAC.fullmatch(mac) is None:
        raise CommandError(f"Invalid mac address {mac}\n", 255)
    port = _find(process, dev)
    if not master:
        not_modelled("bridge fdb: an entry in a device's own filter; say `master` for the bridge's forwarding table")
    if not port.master:
        raise CommandError("RTNETLINK answers: Operation not supported\n", 255)
    return Fdb(port.master, mac.lower(), dev, state)


def add_fdb(process: Process, options: Options, words: Words) -> Running:
    """``bridge fdb add MAC dev PORT master [static|dynamic]``."""
    row = _written(process, words)
    key = (process.netns, "fdb", (row.bridge, row.mac))
    own = {port.mac for port in ports(process.world, process.netns, row.bridge)}
    if process.world.get(key) is not None or row.mac in own:
        raise CommandError("RTNETLINK answers: File exists\n", 255)
    yield Put(key, row)
    return Result()


def replace_fdb(process: Process, options: Options, words: Words) -> Running:
    """``bridge fdb replace``: as add, over what is there."""
    row = _written(process, words)
    yield Put((process.netns, "fdb", (row.bridge, row.mac)), row)
    return Result()


def delete_fdb(process: Process, options: Options, words: Words) -> Running:
    """``bridge fdb del MAC dev PORT master``."""
    row = _written(process, words)
    key = (process.netns, "fdb", (row.bridge, row.mac))
    there: Fdb | None = process.world.get(key)
    if there is None or there.port != row.port:
        raise CommandError("RTNETLINK answers: No such file or directory\n", 255)
    yield Remove(key)
    return Result()


def _elsewhere(process: Process, options: Options, words: Words) -> Running:
    yield from ()
    not_modelled("bridge vlan|mdb")


OBJECTS: dict[str, dict[str, Command]] = {
    "vlan": dict.fromkeys(("show", "add", "delete"), _elsewhere),
    "mdb": dict.fromkeys(("show", "add", "delete"), _elsewhere),
    "link": {"set": set_link, "show": show_links, "list": show_links, "lst": show_links},
    "fdb": {
        "add": add_fdb,
        "append": add_fdb,
        "replace": replace_fdb,
        "delete": delete_fdb,
        "get": get_fdb,
        "show": show_fdb,
        "list": show_fdb,
        "lst": show_fdb,
    },
}
