"""Netfilter rules drawn at random, for `draw.py`: filters, translations, marks, jumps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .nft import nftables

if TYPE_CHECKING:
    from .draw import Drawing

FILTERS = ("INPUT", "FORWARD", "FORWARD", "OUTPUT")
REJECTS = (
    "",
    "",
    " --reject-with icmp-host-unreachable",
    " --reject-with icmp-net-unreachable",
    " --reject-with icmp-admin-prohibited",
    " --reject-with icmp-host-prohibited",
    " --reject-with icmp-net-prohibited",
    " --reject-with icmp-proto-unreachable",
    " --reject-with icmp-port-unreachable",
)


def rules(drawing: Drawing) -> None:
    """Nothing, or some tables of some boxes."""
    if drawing.chance(0.35):
        return
    for box in drawing.boxes:
        for part, probability in (
            (filters, 0.3),
            (translations, 0.4),
            (marks, 0.1),
            (untracked, 0.06),
            (nftables, 0.2),
        ):
            if drawing.chance(probability):
                part(drawing, box)


def filters(drawing: Drawing, box: str) -> None:
    if drawing.chance(0.3):
        drawing.type(box, f"iptables -P {drawing.random.choice(FILTERS)} DROP")
    if drawing.chance(0.5):
        drawing.type(box, "iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
        drawing.type(box, "iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT")
    if drawing.chance(0.2):
        drawing.type(box, "iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP")
    chain = ""
    if drawing.chance(0.3):
        chain = "MINE"
        drawing.type(box, f"iptables -N {chain}")
    for _ in range(drawing.random.randint(1, 4)):
        where = drawing.random.choice((*FILTERS, *([chain] * 3 if chain else [])))
        how = drawing.random.choice("AAAI")
        drawing.type(box, f"iptables -{how} {where}{matches(drawing, box, where)} {verdict(drawing, where)}")
    if chain:
        jump = drawing.random.choice(("-j", "-j", "-g"))
        drawing.type(box, f"iptables -A {drawing.random.choice(FILTERS)}{matches(drawing, box, 'x')} {jump} {chain}")


def verdict(drawing: Drawing, where: str) -> str:
    word = drawing.random.choice(("ACCEPT", "ACCEPT", "DROP", "DROP", "REJECT", "REJECT", "RETURN"))
    return f"-j {word}" + (drawing.random.choice(REJECTS) if word == "REJECT" else "")


def address(drawing: Drawing) -> str:
    known = [end.address for end in drawing.ends if end.address] or ["10.0.1.1"]
    one = drawing.random.choice(known)
    return drawing.random.choice((one, one, f"{one.rpartition('.')[0]}.0/24", "10.0.0.0/16", "172.16.0.0/24"))


def matches(drawing: Drawing, box: str, where: str, proto: str = "") -> str:
    """Zero to three conditions."""
    random, said = drawing.random, ""
    if drawing.chance(0.4):
        said += f" {random.choice(('', '! '))}-{random.choice('sd')} {address(drawing)}"
    devs = [end.dev for end in drawing.on(box)]
    if drawing.chance(0.2) and where not in ("OUTPUT", "POSTROUTING", "x", "MINE"):
        said += f" -i {random.choice((*devs, 'e+', 'lo'))}"
    if drawing.chance(0.15) and where in ("OUTPUT", "POSTROUTING", "FORWARD"):
        said += f" {random.choice(('', '! '))}-o {random.choice((*devs, 'e+', 'lo'))}"
    proto = proto or random.choice(("", "", "tcp", "tcp", "udp", "icmp"))
    if proto:
        said += f" -p {proto}"
    if proto in ("tcp", "udp") and drawing.chance(0.6):
        said += random.choice(
            (
                " --dport 80",
                " --dport 53",
                " --dport 80:90",
                " -m multiport --dports 80,53",
                " --sport 80",
                " --sport 53",
            )
        )
    if proto == "tcp" and drawing.chance(0.1):
        said += " --syn"
    if proto == "icmp" and drawing.chance(0.5):
        said += f" --icmp-type {random.choice(('echo-request', 'echo-reply', 'destination-unreachable'))}"
    if drawing.chance(0.2):
        said += (
            f" -m conntrack --ctstate {random.choice(('NEW', 'ESTABLISHED', 'RELATED', 'INVALID', 'NEW,ESTABLISHED'))}"
        )
    if drawing.chance(0.08):
        said += f" -m addrtype --dst-type {random.choice(('LOCAL', 'UNICAST', 'BROADCAST'))}"
    if drawing.chance(0.06):
        said += f" -m mark --mark {random.choice(('0x1', '0x1/0x1', '0x2/0x3', '0x0'))}"
    if drawing.chance(0.05):
        said += " -m statistic --mode random --probability 1"
    if drawing.chance(0.05):
        said += ' -m comment --comment "drawn at random"'
    return said


def translations(drawing: Drawing, box: str) -> None:
    random = drawing.random
    for _ in range(random.randint(1, 3)):
        random.choice((destination, destination, source, source, redirect))(drawing, box)


def destination(drawing: Drawing, box: str) -> None:
    """DNAT: a service address, or one that exists, becomes another."""
    random = drawing.random
    known = [end.address for end in drawing.ends if end.address] or ["10.0.1.1"]
    asked = random.choice((f"10.96.0.{random.randint(1, 3)}", random.choice(known)))
    if asked not in known and asked not in drawing.extra:
        drawing.extra.append(asked)
    chain = random.choice(("PREROUTING", "PREROUTING", "OUTPUT"))
    proto, port = random.choice((("tcp", 80), ("tcp", 80), ("tcp", 81), ("udp", 53), ("udp", 54), ("icmp", 0), ("", 0)))
    to = random.choice((*known, *known, "127.0.0.1"))
    if port and random.random() < 0.6:
        to += f":{random.choice((80, 53, 8080))}"
    said = f" -p {proto}" if proto else ""
    said += f" --dport {port}" if port and drawing.chance(0.8) else ""
    drawing.type(box, f"iptables -t nat -A {chain} -d {asked}{said} -j DNAT --to-destination {to}")


def source(drawing: Drawing, box: str) -> None:
    random = drawing.random
    said = matches(drawing, box, "POSTROUTING")
    known = [end.address for end in drawing.on(box) if end.address]
    if not known:
        return  # a sender without an address is 0.0.0.0, and hears of errors in ways of its own
    others = [end.address for end in drawing.ends if end.address] or ["10.0.1.1"]
    target = random.choice(("MASQUERADE", "MASQUERADE", "", " "))
    target = target if target.strip() else f"SNAT --to-source {random.choice((*known, random.choice(others)))}"
    drawing.type(box, f"iptables -t nat -A POSTROUTING{said} -j {target}")


def redirect(drawing: Drawing, box: str) -> None:
    random = drawing.random
    chain = random.choice(("PREROUTING", "OUTPUT"))
    proto = random.choice(("tcp", "udp"))
    said = matches(drawing, box, chain, proto)
    drawing.type(box, f"iptables -t nat -A {chain}{said} -j REDIRECT --to-ports {random.choice((80, 53, 8080))}")


def marks(drawing: Drawing, box: str) -> None:
    chain = drawing.random.choice(("PREROUTING", "OUTPUT", "FORWARD"))
    mark = drawing.random.choice(("--set-mark 1", "--set-xmark 0x2/0x2", "--or-mark 1"))
    drawing.type(box, f"iptables -t mangle -A {chain}{matches(drawing, box, chain)} -j MARK {mark}")


def untracked(drawing: Drawing, box: str) -> None:
    chain = drawing.random.choice(("PREROUTING", "OUTPUT"))
    proto = drawing.random.choice(("tcp", "udp", "icmp"))
    drawing.type(box, f"iptables -t raw -A {chain} -p {proto} -j {drawing.random.choice(('NOTRACK', 'CT --notrack'))}")
