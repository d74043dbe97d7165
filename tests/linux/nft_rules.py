"""Random nftables rule sets: of every shape for listings, of decidable shapes for real packets."""

from __future__ import annotations

from random import Random

ADDRESSES = {"ip": ("10.9.0.2", "10.9.1.2", "10.9.0.1", "10.9.1.1", "10.9.5.5"), "ip6": ("fd09::2", "fd09:1::2")}
NETWORKS = {"ip": ("10.9.0.0/24", "10.9.1.0/24", "10.0.0.0/8"), "ip6": ("fd09::/64", "fd09:1::/64", "fd00::/8")}
PORTS = (80, 81, 53, 54, 8080)


def family_of(random: Random, family: str) -> str:
    return random.choice(("ip", "ip6")) if family == "inet" else family


def condition(random: Random, family: str) -> str:
    """One condition on a packet."""
    mine = family_of(random, family)
    side = random.choice(("saddr", "daddr"))
    one, two = random.choice(ADDRESSES[mine]), random.choice(ADDRESSES[mine])
    no = random.choice(("", "", "!= "))
    port, other = random.sample(PORTS, 2)
    proto = random.choice(("tcp", "udp"))
    shapes = (
        f"{mine} {side} {no}{one}",
        f"{mine} {side} {no}{random.choice(NETWORKS[mine])}",
        f"{mine} {side} {no}{{ {one}, {two} }}",
        f"{mine} {side} {no}{{ {one}, {random.choice(NETWORKS[mine])} }}",
        f"{proto} dport {no}{port}",
        f"{proto} dport {no}{{ {port}, {other} }}",
        f"{proto} dport {min(port, other)}-{max(port, other)}",
        f"{proto} dport {random.choice(('<', '>', '<=', '>='))} {port}",
        f"meta l4proto {no}{proto}",
        f"meta l4proto {{ tcp, udp }} th dport {port}",
        f"{mine} {side} . meta l4proto . th dport {{ {one} . {proto} . {port}, {two} . {proto} . {other} }}",
        f"ct state {random.choice(('new', 'established', 'established,related', 'new,invalid', '!= new'))}",
        f"ct direction {random.choice(('original', 'reply'))}",
        f"ct status {random.choice(('dnat', 'snat', 'dnat,snat'))}",
        f'iifname {no}"{random.choice(("left", "right", "l*", "lo"))}"',
        f'oifname {no}"{random.choice(("left", "right"))}"',
        f"fib {side} type {no}{random.choice(('local', 'unicast'))}",
        f"mark {no}{random.choice((0, 1, 0x4000))}",
        f"mark and 0x4000 {random.choice(('==', '!='))} {random.choice((0, 0x4000))}",
        f"tcp flags {random.choice(('syn', 'ack', 'syn / syn,ack', '! ack'))}",
        f"tcp dport {port} tcp sport {random.choice(('> 1024', '!= 5'))}",
    )
    return random.choice(shapes)


def end(random: Random, chains: tuple[str, ...], family: str, hook: str) -> str:
    """What a rule of a filter chain does."""
    verdicts = ["accept", "accept", "drop", "return", "continue", "mark set 0x1", "mark set mark or 0x4000", "counter"]
    verdicts += [f"{how} {chain}" for chain in chains for how in ("jump", "goto")]
    if hook != "postrouting":
        verdicts += ["reject", "meta l4proto tcp reject with tcp reset"]
        verdicts += {"ip": ["reject with icmp admin-prohibited"], "ip6": ["reject with icmpv6 no-route"]}.get(
            family, ["reject with icmpx host-unreachable"]
        )
    return random.choice(verdicts)


def rule(random: Random, family: str, chains: tuple[str, ...], hook: str) -> str:
    """A whole rule: conditions and what it does, or a verdict map."""
    if random.random() < 0.15:
        one, two = random.sample(PORTS, 2)
        first, second = (random.choice(("accept", "drop", "return", *(f"jump {c}" for c in chains))) for _ in range(2))
        return f"{random.choice(('tcp', 'udp'))} dport vmap {{ {one} : {first}, {two} : {second} }}"
    conditions = [condition(random, family) for _ in range(random.choice((0, 1, 1, 2)))]
    count = random.choice(("", "", "counter "))
    comment = random.choice(("", "", ' comment "why not"'))
    return f"{' '.join(conditions)} {count}{end(random, chains, family, hook)}{comment}".strip()


def translation(random: Random, family: str, hook: str) -> str:
    """A rule of a nat chain."""
    mine = "ip" if family == "inet" else family
    port = random.choice(PORTS)
    if hook == "postrouting":
        to = random.choice(("masquerade", "masquerade fully-random", f"snat {mine} to {ADDRESSES[mine][1]}"))
        return f'oifname "right" {to}' if random.random() < 0.5 else f"{mine} saddr {ADDRESSES[mine][0]} {to}"
    target = ADDRESSES[mine][1]
    bracketed = f"[{target}]" if mine == "ip6" else target
    numbers = f"{{ 0 : {target} . 80, 1 : {target} . 81 }}"
    return random.choice(
        (
            f"tcp dport {port} dnat {mine} to {bracketed}:80",
            f"meta l4proto tcp th dport {port} dnat {mine} addr . port to numgen inc mod 2 map {numbers}",
            f"tcp dport {port} redirect to :81",
            f"udp dport {port} dnat {mine} to {bracketed}:53",
            f"{mine} daddr {ADDRESSES[mine][-1]} dnat {mine} to {target}",
        )
    )


HOOKS = ("prerouting", "input", "forward", "output", "postrouting")


def ruleset(random: Random, tables: int = 2) -> str:
    """A few tables with filter chains, regular chains and now and then a nat chain."""
    out = []
    for number in range(random.randint(1, tables)):
        family = random.choice(("ip", "inet", "ip6"))
        blocks = []
        names = ("side", "way")
        for name, inner in zip(names, (("way",), ()), strict=True):
            rules = [rule(random, family, inner, "postrouting") for _ in range(random.randint(0, 2))]
            blocks.append(_block(name, "", rules))
        for hook in random.sample(HOOKS, random.randint(1, 3)):
            priority = random.choice((-300, -150, -1, 0, 0, 10, 50))
            policy = random.choice(("accept", "accept", "accept", "drop"))
            rules = [rule(random, family, names, hook) for _ in range(random.randint(1, 3))]
            base = f"type filter hook {hook} priority {priority}; policy {policy};"
            blocks.append(_block(f"{hook}-f", base, rules))
        for hook, priority in (("prerouting", -100), ("postrouting", 100), ("output", -100)):
            if random.random() < 0.4:
                rules = [translation(random, family, hook) for _ in range(random.randint(1, 2))]
                blocks.append(_block(f"{hook}-n", f"type nat hook {hook} priority {priority};", rules))
        out.append(f"table {family} t{number} {{\n" + "".join(blocks) + "}\n")
    return "".join(out)


def _block(name: str, base: str, rules: list[str]) -> str:
    return f"\tchain {name} {{\n" + "".join(f"\t\t{line}\n" for line in (base, *rules) if line) + "\t}\n"
