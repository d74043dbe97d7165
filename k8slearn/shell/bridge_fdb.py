"""``bridge fdb``: who is where, as bridges and VXLAN devices know it (iproute2 6.1).

``master`` is a bridge's knowledge of what is behind a port; the entries without a word at the end are those that it
learned. ``self`` is what a device knows by itself: a VXLAN device its machines, a bridge its own addresses, every other
device the MACs that it lets in: those that people added (`macfilter`) and the multicast groups that it listens to.

Left out: next hop groups, ``use``, ``sticky``, ``extern_learn``. A flush leaves a port's own MAC where it is; ``used``
is said to be as long ago as ``updated``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from k8slearn.errors import CommandError
from k8slearn.linux import fdb, ip, macfilter, vxlan_fdb
from k8slearn.linux.device import ports
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Fdb, Link, Remote, VxlanFdb
from k8slearn.shell.ip_link import netns_ids
from k8slearn.shell.iproute import Fields, Options, Words, answer, expected, garbage, not_modelled, wrong
from k8slearn.shell.links.words import MAC
from k8slearn.shell.process import Process

ALL_HOSTS = {4: "01:00:5e:00:00:01", 6: "33:33:00:00:00:01"}
SNOOPERS = ("01:00:5e:00:00:6a", "33:33:00:00:00:6a")
STATES = {"static": "static", "temp": "static", "dynamic": "learned", "permanent": "permanent", "local": "permanent"}
ELSEWHERE = ("use", "sticky", "extern_learn", "router", "nhid", "src_vni", "activity_notify", "inactive")


def device(process: Process, name: str, what: str = "device") -> Link:
    """The link with this name; the complaint as ``bridge`` has it."""
    found: Link | None = process.world.get((process.netns, "link", name))
    if found is None:
        raise CommandError(f'Cannot find {what} "{name}"\n', 255)
    return found


# --- show ------------------------------------------------------------------------------------------


def show(process: Process, options: Options, words: Words) -> Running:
    """``bridge fdb [show] [br BRIDGE] [brport PORT] [dev DEV] [vlan N] [dynamic|static|permanent]``."""
    yield from ()
    bridge = dev = state = vlan = ""
    while words:
        word = words.take()
        if word == "br":
            bridge = words.take()
            device(process, bridge, "bridge device")
        elif word in ("brport", "dev"):
            dev = words.take()
            device(process, dev)
        elif word == "vlan":
            vlan = words.take()
        elif word in ("dynamic", "static", "permanent"):
            state = word
        elif word != "state":
            garbage("dev", word)
    links = sorted(process.world.table(process.netns, "link").values(), key=lambda link: link.index)
    links = [link for link in links if not bridge or bridge == (link.name if link.kind == "bridge" else link.master)]
    rows = [row for link in links for row in _entries(process, link)]
    rows = [row for row in rows if dev in ("", row["ifname"]) and state in ("", row["state"] or "dynamic")]
    rows = [row for row in rows if vlan in ("", str(row.get("vlan", "")))]
    return answer(options, [_shown(options, row, not dev) for row in rows], _text)


def _shown(options: Options, row: Fields, with_dev: bool) -> Fields:
    hidden = {"ifname"} if not with_dev else set()
    return {name: value for name, value in row.items() if name not in hidden | (set() if options.statistics else AGES)}


AGES = {"used", "updated"}


def _entries(process: Process, link: Link) -> Iterator[Fields]:
    """What the kernel lists for one device: a port its bridge's knowledge, then what it knows itself."""
    if link.kind == "loopback":
        return
    if link.master:
        yield from _known(process, link, device(process, link.master))
    if link.kind == "vxlan":
        for row in reversed(vxlan_fdb.entries(process.world, process.netns, link.name)):
            yield from (_remote(process, link, row, remote) for remote in row.remotes)
        return
    yield from (_entry(mac, link, "permanent") for mac in link.macs if not fdb.is_group(mac))
    yield _entry(ALL_HOSTS[6], link, "permanent")
    if link.kind == "bridge" and link.up:
        yield from (_entry(mac, link, "permanent") for mac in SNOOPERS)
    if link.up:
        yield _entry(ALL_HOSTS[4], link, "permanent")
    yield from (_entry(mac, link, "permanent") for mac in link.macs if fdb.is_group(mac))
    if link.kind == "bridge":
        yield from _known(process, link, link)


def _known(process: Process, port: Link, bridge: Link) -> Iterator[Fields]:
    """What a bridge knows behind a port (or of itself): newest first, the port's own MAC last (br_fdb.c)."""
    world, netns = process.world, process.netns
    for row in fdb.entries(world, netns, bridge):
        if row.port == port.name:
            age = 0 if row.mac == port.mac else int(world.clock - row.updated)
            yield _entry(row.mac, port, "" if row.state == "learned" else row.state, bridge.name, age, row.vlan)
    if port is bridge and fdb.own_macs(world, netns, port.name)[port.mac].port == port.name:
        yield _entry(port.mac, port, "permanent", bridge.name, 0)


def _entry(mac: str, link: Link, state: str, master: str = "", age: int | None = None, vlan: int = 0) -> Fields:
    row: Fields = {"mac": mac, "ifname": link.name} | ({"vlan": vlan} if vlan else {})
    row |= {"used": age, "updated": age} if age is not None else {}
    row |= {"flags": [] if master else ["self"]}
    return row | ({"master": master} if master else {}) | {"state": state}


def _remote(process: Process, link: Link, row: VxlanFdb, remote: Remote) -> Fields:
    age = int(process.world.clock - row.updated)
    found: Fields = {"mac": row.mac, "ifname": link.name, "dst": remote.dst}
    found |= ({"port": remote.port} if remote.port else {}) | ({"vni": remote.vni} if remote.vni else {})
    found |= {"viaIf": remote.via} if remote.via else {}
    found |= {"linkNetNsId": netns_ids(process.world, process.netns)[link.home]} if link.home else {}
    state = "" if row.state == "learned" else row.state
    return found | {"used": age, "updated": age, "flags": ["self"], "state": state}


def _text(row: Fields) -> str:
    words = [row["mac"], *(("dev", row["ifname"]) if "ifname" in row else ())]
    words += [word for name in ("dst", "vlan", "port", "vni") if name in row for word in (name, str(row[name]))]
    words += ["via", row["viaIf"]] if "viaIf" in row else []
    words += ["link-netnsid", str(row["linkNetNsId"])] if "linkNetNsId" in row else []
    words += ["used", f"{row['used']}/{row['updated']}"] if "used" in row else []
    words += [*row["flags"], *(("master", row["master"]) if "master" in row else ())]
    return " ".join(words) + f" {row['state']}\n"


def get(process: Process, options: Options, words: Words) -> Running:
    """``bridge fdb get MAC br BRIDGE`` or ``bridge fdb get MAC dev VXLAN self``."""
    yield from ()
    told = _told(process, words)
    if not told.mac or not (told.dev or told.bridge):
        raise CommandError("Device or master and address are required arguments.\n", 255)
    _check_mac(told.mac)
    name = told.bridge or told.dev
    asked = device(process, name, "bridge device")
    if told.dev and "self" not in told.flags:
        raise CommandError("Error: Device is not a bridge port.\n", 254)
    links: list[Link] = [*ports(process.world, process.netns, name), asked]
    rows = [row for link in links for row in _entries(process, link) if row["mac"] == told.mac.lower()]
    rows = [row for row in rows if row.get("master") or asked.kind == "vxlan"]
    if not rows:
        raise CommandError("Error: Fdb entry not found.\n", 254)
    return answer(options, [_shown(options, rows[0], True)], _text)


# --- add, append, replace, del, flush --------------------------------------------------------------


@dataclass(slots=True)
class Told:
    """What stands after ``bridge fdb add``."""

    mac: str = ""
    dev: str = ""
    bridge: str = ""
    state: str = ""
    vlan: int = 0
    remote: Remote | None = None
    flags: set[str] = field(default_factory=set)

    def far(self) -> Remote:
        return self.remote if self.remote is not None else Remote("")


def _told(process: Process, words: Words) -> Told:
    told = Told()
    while words:
        word = words.take()
        if word in ("dev", "port") and not (word == "port" and told.dev):
            told.dev = words.take()
        elif word == "br":
            told.bridge = words.take()
        elif word in STATES:
            told.state = STATES[word]
        elif word in ("master", "self"):
            told.flags.add(word)
        elif word in ("dst", "vni", "via", "port"):
            told.remote = _with(process, told.far(), word, words)
        elif word == "vlan":
            told.vlan = words.number("invalid vlan id\n")
        elif word in ELSEWHERE:
            not_modelled(f"bridge fdb {word}")
        else:
            told.mac = words.take() if word == "to" else word
    return told


def _with(process: Process, remote: Remote, word: str, words: Words) -> Remote:
    if word == "dst":
        text = words.take()
        try:
            return remote._replace(dst=ip.canonical(text))
        except ValueError:
            expected("any valid address", text)
    if word == "via":
        return remote._replace(via=device(process, words.take()).name)
    complaint = {"port": "invalid port", "vni": "invalid VNI"}[word]
    value = words.number(complaint)
    if not 0 <= value < (1 << 24 if word == "vni" else 1 << 16):
        wrong(str(value), complaint)
    return remote._replace(vni=value) if word == "vni" else remote._replace(port=value)


def _check_mac(mac: str) -> None:
    if MAC.fullmatch(mac) is None:
        raise CommandError(f"Invalid mac address {mac}\n", 255)


def _written(process: Process, words: Words) -> tuple[Told, Link]:
    """What was told, and the device; ``self`` where nothing else was said."""
    told = _told(process, words)
    if not told.dev or not told.mac:
        raise CommandError("Device and address are required arguments.\n", 255)
    _check_mac(told.mac)
    told.mac = ":".join(f"{int(byte, 16):02x}" for byte in told.mac.split(":"))
    link = device(process, told.dev)
    told.state, told.flags = told.state or "permanent", told.flags or {"self"}
    return told, link


def _row(process: Process, told: Told, link: Link) -> Fdb:
    """The entry of a bridge: behind a port (``master``), or the bridge's own (``self``)."""
    if "master" in told.flags and not link.master:
        raise CommandError("RTNETLINK answers: Operation not supported\n", 255)
    master = link.master if "master" in told.flags else link.name
    if (link.kind == "bridge" and told.state != "permanent") or (told.vlan and not _filters(process, master)):
        raise CommandError("RTNETLINK answers: Invalid argument\n", 255)
    return Fdb(master, told.mac, link.name, told.state, told.vlan)


def _is_filtered(told: Told, link: Link) -> bool:
    """Is it about a plain device's own filter? That knows neither ages nor VLANs (rtnetlink.c: ndo_dflt_fdb_add)."""
    plain = "self" in told.flags and link.kind not in ("bridge", "vxlan")
    if plain and (told.state != "permanent" or told.vlan):
        raise CommandError("RTNETLINK answers: Invalid argument\n", 255)
    return plain


def _filters(process: Process, bridge: str) -> bool:
    return bool(getattr(device(process, bridge).spec, "vlan_filtering", 0))


Writing = Callable[[Process, Options, Words], Running]


def _write(how: str) -> Writing:
    """``bridge fdb add|append|replace MAC dev PORT master``, ``... MAC dev VXLAN dst IP``."""

    def run(process: Process, options: Options, words: Words) -> Running:
        told, link = _written(process, words)
        world, netns = process.world, process.netns
        if "master" in told.flags or link.kind == "bridge":
            yield from fdb.add(world, netns, _row(process, told, link), how)
        if _is_filtered(told, link):
            yield from macfilter.add(world, netns, link.name, told.mac, how)
        if "self" in told.flags and link.kind == "vxlan":
            if told.remote is None or not told.remote.dst:
                raise CommandError("RTNETLINK answers: Invalid argument\n", 255)
            yield from vxlan_fdb.add_entry(world, netns, link.name, told.mac, told.remote, told.state, how)
        return Result()

    return run


add, append, change = _write("add"), _write("append"), _write("replace")


def delete(process: Process, options: Options, words: Words) -> Running:
    """``bridge fdb del MAC dev PORT master``, ``bridge fdb del MAC dev VXLAN [dst IP]``."""
    told, link = _written(process, words)
    world, netns = process.world, process.netns
    if "master" in told.flags or link.kind == "bridge":
        yield from fdb.delete(world, netns, _row(process, replace(told, state="permanent"), link))
    if _is_filtered(replace(told, state="permanent"), link):
        yield from macfilter.delete(world, netns, link.name, told.mac)
    if "self" in told.flags and link.kind == "vxlan":
        yield from vxlan_fdb.delete_entry(world, netns, link.name, told.mac, told.remote)
    return Result()


def flush(process: Process, options: Options, words: Words) -> Running:
    """``bridge fdb flush dev BRIDGE|VXLAN|PORT [master] [static|dynamic|permanent]``."""
    told = _told(process, words)
    if not told.dev:
        raise CommandError("Device is a required argument.\n", 255)
    link = device(process, told.dev, "bridge device")
    states = (told.state,) if told.state else ("learned", "static", "permanent")
    if link.kind == "vxlan" and "master" not in told.flags:
        yield from vxlan_fdb.flush(process.world, process.netns, link.name, states)
    elif link.kind == "bridge" or ("master" in told.flags and link.master):
        yield from fdb.flush(process.world, process.netns, link.name, states)
    else:
        raise CommandError("RTNETLINK answers: Operation not supported\n", 255)
    return Result()
