"""Laws of iptables' language: what is printed is read back as the same rule, every option asks something, and garbage
gets one sentence."""

from __future__ import annotations

import os
import re
import shutil
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from k8slearn import shell
from k8slearn.errors import CommandError
from k8slearn.journal import World, drive
from k8slearn.linux import matches, targets
from k8slearn.linux.iptables import MATCHES, TARGETS, parse_rule, parse_rules, rule_text, values
from k8slearn.linux.iptables.target_options import CONNMARKS, REJECTS
from tests.shell.conftest import Ours, Real

WORDS = {
    "--comment": ("x", '"two words"', '"it\'s \\"q\\""'),
    "--ctstate": ("NEW", "ESTABLISHED,RELATED", "DNAT,SNAT", "invalid"),
    "--state": ("NEW,ESTABLISHED", "INVALID"),
    "--ctproto": ("tcp", "17"),
    **{f"--ct{s}": ("10.0.0.1", "10.0.0.0/8") for s in ("origsrc", "origdst", "replsrc", "repldst")},
    **{f"--ct{s}port": ("80", "1:5", "http") for s in ("origsrc", "origdst", "replsrc", "repldst")},
    "--ctstatus": ("NONE", "ASSURED,SEEN_REPLY"),
    "--ctexpire": ("10", "1:100"),
    "--ctdir": ("ORIGINAL", "reply"),
    "--mark": ("1", "0x4000/0x4000", "010", "7/0xf"),
    "--probability": ("0.5", "0.3333333333", "1", "0"),
    "--every": ("7", "9"),
    "--packet": ("0", "3"),
    "--src-type": ("LOCAL", "unicast,BROADCAST"),
    "--dst-type": ("LOCAL", "MULTICAST"),
    **{f"--{w}": ("1,2", "80:90,http", "5") for w in ("sports", "dports", "ports")},
    "--seconds": ("1", "10800"),
    "--hitcount": ("1", "20", "0"),
    "--name": ("a", "KUBE-SEP-X"),
    "--mask": ("255.255.0.0",),
    **{f"--physdev-{w}": ("eth0", "veth+") for w in ("in", "out")},
    **{f"--{w}": ("80", "1:5", ":9", "9:", "http") for w in ("sport", "dport")},
    "--tcp-flags": ("SYN,ACK SYN", "ALL NONE", "FIN FIN"),
    "--icmp-type": ("8", "echo-request", "3/1", "any"),
    "--icmpv6-type": ("128", "echo-request", "1/4"),
    "--limit": ("5/min", "120/minute", "1/day", "7/s", "1000/hour"),
    "--limit-burst": ("5", "1", "100"),
    **{f"--{w}-range": ("10.0.0.1-10.0.0.9", "10.0.0.1") for w in ("src", "dst")},
    "--mac-source": ("02:00:00:00:00:01", "AA:BB:CC:DD:EE:FF"),
    "--length": ("5", "1:9", ":9"),
    **{f"--{w}-{how}": ("5", "64") for w in ("ttl", "hl") for how in ("eq", "lt", "gt")},
    "--pkt-type": ("unicast", "HOST", "multicast"),
    "--reject-with": ("icmp-net-unreachable", "icmp-adm", "host-prohib"),
    "--to-destination": ("10.0.0.1", "10.0.0.1-10.0.0.9:80-90", ":80"),
    "--to-source": ("10.0.0.1", "10.0.0.1:1-9"),
    "--to-ports": ("80", "80-90"),
    **dict.fromkeys(CONNMARKS, ("1", "0x4000")),
    **dict.fromkeys(("--nfmask", "--ctmask"), ("1", "0xff")),
    "--ctevents": ("new,destroy",),
    **dict.fromkeys(("--zone", "--zone-orig", "--zone-reply"), ("5", "7")),
    "--log-prefix": ("x", '"a b: "'),
    "--log-level": ("4", "debug", "6"),
    "--nflog-prefix": ("x", '"a b"'),
    "--nflog-group": ("0", "5"),
    "--nflog-size": ("80",),
    "--nflog-threshold": ("1", "9"),
    "--set-mss": ("1400",),
}
"""Option -> values that a person might give it. What is not here takes none, is a set's, or is not modelled."""
ALONE = {"conntrack": 4, "tcp": 3, "udp": 2, "sctp": 2, "comment": 1, "recent": 4, "physdev": 3, "iprange": 2}
PROTOCOL = {"tcp": "tcp", "udp": "udp", "sctp": "sctp", "icmp": "icmp", "icmp6": "icmpv6", "multiport": "tcp"}
REFUSED = values.not_modelled


def said(random: Random, name: str, known: Any) -> list[str]:
    """An extension with some of its options."""
    out = []
    usable = [
        o for o, option in known.options.items() if option.read is not REFUSED and (o in WORDS or not option.words)
    ]
    for option in random.sample(usable, random.randint(0, min(len(usable), ALONE.get(name, 2)))):
        bang = ["!"] if known.options[option].negatable and random.random() < 0.3 else []
        out += [*bang, option, *([random.choice(WORDS[option])] if known.options[option].words else [])]
    return out


def a_line(random: Random, table: str = "") -> str:
    """A rule of any matches and any target: most of them are good."""
    names = [n for n in random.sample(sorted(MATCHES), random.randint(0, 3)) if n not in ("set", "icmp6", "hl")]
    protocol = next((PROTOCOL[n] for n in names if n in PROTOCOL), random.choice(("", "", "tcp", "47", "udp")))
    words = ["-p", protocol] if protocol else []
    for side in random.sample(("-s", "-d"), random.choice((0, 0, 1, 2))):
        base, mask = random.choice(("10.1.2.3", "10.0")), random.choice(("", "/8", "/255.0.255.0", "/32"))
        words += [*random.choice(([], ["!"])), side, base + mask]
    for name in names:
        words += ["-m", name, *said(random, name, MATCHES[name])]
    target = random.choice(["ACCEPT", *sorted(set(TARGETS) - {"SET"})])
    told = said(random, target, TARGETS[target])
    masked = target == "CONNMARK" and {"--nfmask", "--ctmask"} & {*told} and {*CONNMARKS} & {*told}
    return " ".join([*words, "-j", target, *([] if masked else told)])


@given(st.integers(0, 1 << 40))
def test_what_is_printed_is_read_back_as_the_same_rule(seed: int) -> None:
    random = Random(seed)
    for _ in range(8):
        try:
            rule = parse_rule(a_line(random))
        except CommandError:
            continue
        assert parse_rule(rule_text(rule)) == rule
        assert all(map(callable, matches.tests(rule)))


def test_every_option_that_is_read_asks_something() -> None:
    quiet = {("comment", "--comment"), ("tcp", "--syn")}
    for name, known in MATCHES.items():
        for option, what in known.options.items():
            if what.read is not REFUSED and (name, option) not in quiet and name not in matches.MODULES:
                assert (name, option) in matches.OPTIONS
    assert set(TARGETS) == {*targets.TARGETS, *targets.VERDICTS}
    assert all(REJECTS.values())


@given(
    st.lists(
        st.one_of(
            st.sampled_from(sorted({*WORDS, "-m", "-p", "-j", "-s", "!", "-i", "-g", "tcp", "DNAT", "80"})),
            st.text(max_size=8),
        ),
        max_size=9,
    )
)
@example(["-m", "set", "--match-set"])
@example(["-p", "tcp", "--tcp-flags", "a", "b"])
@example(["-s", "0x"])
@example(["-m", "limit", "--limit", "/s"])
def test_garbage_gets_a_sentence(words: list[str]) -> None:
    try:
        rules = parse_rules(tuple(words))
    except CommandError:
        return
    for rule in rules:
        rule_text(rule)


@given(st.text(max_size=60), st.sampled_from(["iptables-restore", "ipset restore", "ip6tables-restore -n"]))
def test_garbage_is_not_restored(text: str, command: str) -> None:
    for stdin in (text, f"*filter\n-A INPUT {text}\nCOMMIT\n", f"create {text}\nadd a {text}\n"):
        world = World()
        result = drive(shell.run(world, "node:x", command, stdin=stdin), world.apply)
        assert "Traceback" not in result.stderr


HOME = {"nat": "OUTPUT", "mangle": "FORWARD", "raw": "PREROUTING", "filter": "FORWARD"}


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="namespaces need root")
@pytest.mark.skipif(shutil.which("iptables-restore") is None, reason="not installed: iptables")
def test_generated_rules_are_restored_and_saved_as_iptables_does() -> None:
    real, ours, random = Real(), Ours(), Random(1)
    try:
        for _ in range(400):
            table = random.choice(sorted(HOME))
            text = f"*{table}\n-A {HOME[table]} {a_line(random)}\nCOMMIT\n"
            for line in ("iptables-restore", f"iptables-save -t {table}"):
                want, got = real.run(line, text), ours.run(line, text)
                cut = [re.sub(r"(?m)^#.*\n", "", said.stdout) for said in (want, got)]
                assert (text, line, cut[1], got.stderr) == (text, line, cut[0], want.stderr)
                if want.exit_code:
                    break
    finally:
        real.close()
