"""nftables rules drawn at random, for `rules.py`: tables, base chains, sets, verdict maps, translations.

Left out: meters, limits and what a listing shows (`tests/linux/test_nft_listing.py` asks that).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .draw import Drawing

HOOKS = ("prerouting", "input", "forward", "forward", "output", "postrouting")
PORTS = (80, 80, 53, 81, 8080, 54)


def nftables(drawing: Drawing, box: str) -> None:
    """One table with some chains; each line is a command of its own."""
    Table(drawing, box).fill()


class Table:
    """A table that is being typed."""

    def __init__(self, drawing: Drawing, box: str) -> None:
        self.drawing, self.box, self.random = drawing, box, drawing.random
        self.ip = "ip6" if drawing.six else "ip"
        self.icmp = "icmpv6" if drawing.six else "icmp"
        self.name = f"{self.random.choice((self.ip, self.ip, 'inet'))} mine{6 if drawing.six else 4}"
        self.sides: list[str] = []
        known = [end.address for end in drawing.ends if end.address] or ["10.0.1.1"]
        self.known = [*known, *(a for a in drawing.extra if a.startswith("172."))]

    def type(self, words: str) -> None:
        self.drawing.type(self.box, f"nft '{words}'")

    def fill(self) -> None:
        self.type(f"add table {self.name}")
        if self.drawing.chance(0.3):
            kind = "ipv6_addr" if self.drawing.six else "ipv4_addr"
            self.type(f"add set {self.name} some {{ type {kind}; }}")
            self.type(f"add element {self.name} some {{ {', '.join(sorted({self.one(), self.one()}))} }}")
        if self.drawing.chance(0.4):
            self.type(f"add chain {self.name} side")
            self.rules("side", "side", 2)
            self.sides.append("side")
        for hook in dict.fromkeys(self.random.choices(HOOKS, k=self.random.randint(1, 2))):
            priority = self.random.choice(("filter", "filter", "filter", "mangle", "raw", "security", "5", "-5"))
            policy = self.random.choice(("accept", "accept", "accept", "drop"))
            base = f"type filter hook {hook} priority {priority}; policy {policy};"
            self.type(f"add chain {self.name} {hook} {{ {base} }}")
            if policy == "drop" or self.drawing.chance(0.3):
                self.type(f"add rule {self.name} {hook} ct state established,related accept")
            self.rules(hook, hook, 3)
        if self.drawing.chance(0.35):
            self.translations()

    def one(self) -> str:
        return self.random.choice(self.known)

    def net(self) -> str:
        return self.random.choice((f"{self.one().rpartition('.')[0]}.0/24", "10.0.0.0/16", "172.16.0.0/24"))

    def rules(self, chain: str, hook: str, most: int) -> None:
        for _ in range(self.random.randint(1, most)):
            how = self.random.choice(("add", "add", "insert"))
            self.type(f"{how} rule {self.name} {chain} {self.rule(hook)}")

    def rule(self, hook: str) -> str:
        if self.drawing.chance(0.12):
            first, second = (self.random.choice(("accept", "drop", "return")) for _ in range(2))
            return f"{self.random.choice(('tcp', 'udp'))} dport vmap {{ 80 : {first}, 53 : {second} }}"
        conditions = [self.condition(hook) for _ in range(self.random.choice((0, 1, 1, 1, 2)))]
        count = "counter" if self.drawing.chance(0.2) else ""
        return " ".join(filter(None, (*conditions, count, self.verdict(hook))))

    def condition(self, hook: str) -> str:
        """One thing that a packet must be."""
        random, no = self.random, self.random.choice(("", "", "!= "))
        side, port = random.choice(("saddr", "daddr")), random.choice(PORTS)
        devs = [end.dev for end in self.drawing.on(self.box)] + ["lo", "e*"]
        shapes = [
            f"{self.ip} {side} {no}{self.one()}",
            f"{self.ip} {side} {no}{self.net()}",
            f"{self.ip} {side} {{ {', '.join(sorted({self.one(), self.one()}))} }}",
            f"tcp dport {no}{port}",
            f"udp dport {no}{port}",
            f"tcp dport {{ 80, {random.choice((81, 8080))} }}",
            "tcp dport 80-90",
            "tcp sport 80",
            "tcp flags syn / syn,ack",
            f"meta l4proto {no}{random.choice(('tcp', 'udp', self.icmp))}",
            f"{self.icmp} type {random.choice(('echo-request', 'echo-reply', 'destination-unreachable'))}",
            f"ct state {random.choice(('new', 'established', 'related', 'invalid', 'established,related', '!= new'))}",
            f"ct status {random.choice(('dnat', 'snat'))}",
            f"ct direction {random.choice(('original', 'reply'))}",
            f"meta mark {no}{random.choice((0, 1))}",
            f"meta nfproto {random.choice(('ipv4', 'ipv6'))}",
        ]
        if hook not in ("output", "postrouting", "side"):
            shapes += [f'iifname {no}"{random.choice(devs)}"'] * 2 + ["fib daddr type local"]
        if hook in ("output", "postrouting", "forward"):
            shapes += [f'oifname {no}"{random.choice(devs)}"'] * 2
        return random.choice(shapes)

    def verdict(self, hook: str) -> str:
        words = ["accept", "accept", "drop", "drop", "return", "meta mark set 1", *(f"jump {s}" for s in self.sides)]
        words += [f"goto {s}" for s in self.sides]
        if hook in ("input", "forward", "output"):
            words += [
                "reject",
                "reject",
                f"reject with {self.icmp} {'no-route' if self.drawing.six else 'net-unreachable'}",
            ]
            words += ["meta l4proto tcp reject with tcp reset"]
            words += ["reject with icmpx host-unreachable"] if self.name.startswith("inet") else []
        if hook in ("prerouting", "output"):
            words += ["notrack"]
        return self.random.choice(words)

    def translations(self) -> None:
        """A chain or two of type nat, where the kernel translates."""
        random, to = self.random, f"{self.ip} to" if self.name.startswith("inet") else "to"
        hooks = ("prerouting", "prerouting", "output", "postrouting", "postrouting")
        hook = random.choice(hooks if any(end.address for end in self.drawing.on(self.box)) else hooks[:3])
        priority = "srcnat" if hook == "postrouting" else "dstnat" if hook == "prerouting" else "-100"
        chain = f"{hook}-nat"
        self.type(f"add chain {self.name} {chain} {{ type nat hook {hook} priority {priority}; }}")
        for _ in range(random.randint(1, 2)):
            if hook == "postrouting":
                who = random.choice((f"{self.ip} saddr {self.net()}", f"{self.ip} daddr {self.one()}", ""))
                what = random.choice(("masquerade", "masquerade", f"snat {to} {self.one()}"))
            else:
                asked = random.choice((f"10.96.0.{random.randint(1, 3)}", self.one()))
                if asked not in self.known and asked not in self.drawing.extra:
                    self.drawing.extra.append(asked)
                who = f"{self.ip} daddr {asked}" + random.choice(("", f" tcp dport {random.choice((80, 81))}"))
                port = f":{random.choice((80, 53, 8080))}" if "dport" in who and self.drawing.chance(0.6) else ""
                what = f"dnat {to} {self.one()}{port}"
                what = "redirect to :80" if "dport" in who and self.drawing.chance(0.2) else what
            self.type(f"add rule {self.name} {chain} {who} {what}".replace("  ", " "))
