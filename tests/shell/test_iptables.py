"""``iptables`` 1.8.9 (nf_tables) says what the real one says on a real kernel, byte for byte, also when it says no."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.root

LISTS = """
iptables -S
iptables -L
iptables -L -n
iptables -nvL
iptables-save
"""
RULES = """
iptables -N FOO
iptables -A INPUT -s 10.0.0.0/24 -j ACCEPT
iptables -A INPUT -s 10.0.0.1 -p tcp --dport 80 -m comment --comment "hello world" -j DROP
iptables -I INPUT 2 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A FORWARD -i eth0 ! -o eth1 -j REJECT
iptables -A FORWARD -p tcp -j REJECT --reject-with tcp-reset
iptables -A FOO -j RETURN
iptables -A INPUT -j FOO
iptables -A INPUT -g FOO
iptables -A INPUT -m mark --mark 0x4000/0x4000
iptables -P FORWARD DROP
"""
NAT = """
iptables -t nat -N ABC
iptables -t nat -A POSTROUTING -s 10.0.0.0/16 ! -d 10.0.0.0/16 -j MASQUERADE
iptables -t nat -A POSTROUTING -j MASQUERADE --random-fully
iptables -t nat -A POSTROUTING -p tcp -j MASQUERADE --to-ports 1024-2048
iptables -t nat -A POSTROUTING -j SNAT --to-source 10.0.0.1
iptables -t nat -A PREROUTING -p tcp -d 10.96.0.1 --dport 443 -j DNAT --to-destination 10.0.0.5:6443
iptables -t nat -A PREROUTING -m statistic --mode random --probability 0.33333333349 -j ABC
iptables -t nat -A PREROUTING -p tcp -m addrtype --dst-type LOCAL -j REDIRECT --to-ports 8080
iptables -t nat -A PREROUTING -p udp -m multiport --dports 53,54 -j ABC
iptables -t nat -A PREROUTING -p udp -m udp --sport 1000:2000 -j RETURN
iptables -t nat -A PREROUTING -m comment --comment simple ! -s 10.0.0.0/8 -j ABC
iptables -t nat -A PREROUTING -m comment --comment "default/kubernetes:https cluster IP" -j ABC
iptables -t nat -A OUTPUT -j MARK --set-xmark 0x4000/0x4000
iptables -t mangle -A PREROUTING -j MARK --set-mark 1
iptables -t mangle -A PREROUTING -j MARK --and-mark 0xff
iptables -t mangle -A PREROUTING -j MARK --xor-mark 0x4000
iptables -t mangle -A PREROUTING -j MARK --set-mark 0x1/0xff
iptables -t raw -A PREROUTING -j CT --notrack
"""
MATCHES = """
iptables -A INPUT -p icmp --icmp-type echo-request -j ACCEPT
iptables -A INPUT -p icmp --icmp-type 3/1 -j ACCEPT
iptables -A INPUT -m state --state NEW,ESTABLISHED -j ACCEPT
iptables -A INPUT -m mark ! --mark 0x4000/0x4000 -j RETURN
iptables -A INPUT -m conntrack ! --ctstate INVALID -j DROP
iptables -A INPUT -m physdev --physdev-is-bridged -j ACCEPT
iptables -A INPUT -m physdev ! --physdev-is-in -j ACCEPT
iptables -A INPUT -i eth+ -j ACCEPT
iptables -A INPUT ! -i eth0 -p all -j ACCEPT
iptables -A INPUT -s 10.0.0.1/255.255.255.0 -d 0.0.0.0/0 -j LOG --log-prefix "dropped: "
iptables -A INPUT -j LOG
iptables -A INPUT -p 132 -j ACCEPT
iptables -A INPUT ! -p tcp -j ACCEPT
iptables -A INPUT -m limit --limit 5/min -j ACCEPT
iptables -A INPUT -m statistic --mode nth --every 3 --packet 0 -j ACCEPT
iptables -A INPUT -m conntrack --ctorigdst 10.96.0.1 --ctorigdstport 80 -j ACCEPT
iptables -A INPUT -m addrtype ! --src-type LOCAL --dst-type LOCAL --limit-iface-in -j ACCEPT
iptables -A INPUT -p tcp -m multiport --sports 31000,32000:34000 -j ACCEPT
iptables -A INPUT -p tcp --dport 80:90 -j REJECT --reject-with tcp-reset
iptables -A INPUT -p tcp -m tcp ! --dport 80 -j ACCEPT
iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited
"""


def test_rules_are_listed_in_every_form(pair: Any) -> None:
    pair.check(f"""
        {LISTS}
        {RULES}
        {LISTS}
        iptables -S INPUT
        iptables -S INPUT 2
        iptables -S INPUT 99
        iptables -v -S INPUT
        iptables -L INPUT -n --line-numbers
        iptables -nvL INPUT --line-numbers
        iptables -L INPUT 2 -n
        iptables -w 5 -L FORWARD
        iptables --table filter --list-rules FORWARD
        iptables-save -t filter
        iptables-save -t nat
    """)


def test_translations_and_marks_are_listed_in_every_form(pair: Any) -> None:
    tables = "\n".join(
        f"iptables -t {t} -S\niptables -t {t} -nvL\niptables -t {t} -L" for t in ("nat", "mangle", "raw")
    )
    pair.check(f"{NAT}\n{tables}\niptables-save")


def test_every_match_is_listed_in_every_form(pair: Any) -> None:
    pair.check(MATCHES + LISTS)


def test_rules_and_chains_come_and_go(pair: Any) -> None:
    pair.check(f"""
        {RULES}
        iptables -C INPUT -j FOO
        iptables -C INPUT -s 10.0.0.0/24 -j ACCEPT
        iptables -D INPUT 1
        iptables -C INPUT -s 10.0.0.0/24 -j ACCEPT
        iptables -D INPUT -s 10.77.0.0/24 -j ACCEPT
        iptables -D INPUT 99
        iptables -D INPUT 0
        iptables -R INPUT 1 -j DROP
        iptables -R INPUT 99 -j DROP
        iptables -I INPUT -s 1.2.3.4 -j DROP
        iptables -I INPUT 99 -j ACCEPT
        iptables -S
        iptables -X FOO
        iptables -F FOO
        iptables -X FOO
        iptables -D INPUT -j FOO
        iptables -D INPUT -g FOO
        iptables -E FOO BAR
        iptables -E FOO BAR
        iptables -S
        iptables -X BAR
        iptables -X BAR
        iptables -X INPUT
        iptables -Z
        iptables -F
        iptables -S
        iptables-save
        iptables --append INPUT --source 10.1.1.1 --jump ACCEPT
        iptables --policy INPUT DROP
        iptables --new-chain NEW1
        iptables -N OTHER
        iptables -X
        iptables -S
    """)


REFUSED = """
iptables -L NOPE
iptables -S NOPE
iptables -F NOPE
iptables -X NOPE
iptables -t nope -L
iptables-save -t nope
iptables -A NOPE -j ACCEPT
iptables -A INPUT -j NOPE
iptables
iptables -A
iptables -N FOO
iptables -N INPUT
iptables -N -foo
iptables -N ACCEPT
iptables -P FOO DROP
iptables -N averyveryveryverylongchainname12345
iptables -P FORWARD REJECT
iptables -t nat -P OUTPUT DROP
iptables -A INPUT --frob
iptables -A INPUT foo
iptables -A INPUT -s foo -j ACCEPT
iptables -D FOO
iptables -A INPUT -p tcp --dport 99999 -j ACCEPT
iptables -A INPUT --dport 80 -j ACCEPT
iptables -A INPUT -j DNAT --to-destination 1.1.1.1
iptables -t nat -A PREROUTING -j MASQUERADE
iptables -t nat -A POSTROUTING -j DNAT --to-destination 10.0.0.1
iptables -t nat -A PREROUTING -j DNAT
iptables -t nat -A PREROUTING -j DNAT --to-destination foo
iptables -A INPUT -A FORWARD
iptables -6 -S
iptables -t nat -A PREROUTING -j DNAT --to-destination 10.0.0.1:80
iptables -A INPUT -j ACCEPT -j DROP
iptables -A INPUT -p udp -j REJECT --reject-with tcp-reset
iptables -A INPUT -j REJECT --reject-with foo
iptables -A OUTPUT -i eth0 -j ACCEPT
iptables -A INPUT -o eth0 -j ACCEPT
iptables -A INPUT -j MARK
iptables -A INPUT -m conntrack --ctstate FOO -j ACCEPT
iptables -A INPUT -m conntrack -j ACCEPT
iptables -A INPUT -m comment -j ACCEPT
iptables -A INPUT -p foo -j ACCEPT
iptables -A INPUT -s
iptables -A INPUT -i averyveryverylongname -j ACCEPT
iptables -t filter
iptables -V
iptables -A INPUT -j
"""


def test_a_refusal_has_the_real_words_and_changes_nothing(pair: Any) -> None:
    pair.check(f"""
        iptables -N FOO
        {REFUSED}
        iptables -S
    """)


def test_a_whole_table_is_restored_at_once(pair: Any) -> None:
    text = (
        "*filter\n:INPUT DROP [0:0]\n:FOO - [0:0]\n-A INPUT -j FOO\n-A FOO -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT\n"
    )
    more = "*filter\n:BAR - [0:0]\n-A BAR -j RETURN\nCOMMIT\n*nat\n-A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE\nCOMMIT\n"
    for line, stdin in (
        *(("iptables-restore", text), ("iptables-restore --noflush", more), ("iptables-restore --test", more)),
        *(("iptables-restore -n", ""), ("iptables-restore", more)),
    ):
        assert pair.ours.run(line, stdin) == pair.real.run(line, stdin)
        pair.check("iptables-save")


REFUSED_TEXTS = (
    *("*nope\nCOMMIT\n", "*filter\n-A INPUT -j NOPE\nCOMMIT\n", "*filter\n-A NOPE -j ACCEPT\nCOMMIT\n"),
    *("*filter\n:INPUT ACCEPT [0:0]\n", "-A INPUT -j ACCEPT\n", "*filter\n-A INPUT --frob\nCOMMIT\n", "garbage"),
    *("*filter\nfoo\nCOMMIT\n", ":INPUT ACCEPT\n", "*filter\n-P INPUT DROP\nCOMMIT\n", "*filter\n-A\nCOMMIT\n"),
    *("*filter\n:INPUT FROB [0:0]\nCOMMIT\n", "*filter\n[5:6] -A INPUT -j ACCEPT\nCOMMIT\n", "", "*filter\nCOMMIT\n"),
    "*filter\n-N FOO\n-A FOO -j ACCEPT\n-I FOO 1 -j DROP\n-D FOO -j ACCEPT\n-A INPUT -j FOO\nCOMMIT\n",
    "*filter\n-A INPUT -j DNAT --to-destination 1.1.1.1\nCOMMIT\n",
    *("*filter\n:FOO - [0:0]\n-X BAR\nCOMMIT\n", "*filter\n-D INPUT -j ACCEPT\nCOMMIT\n"),
    *("*filter\n:FOO ACCEPT [0:0]\nCOMMIT\n", "*filter\n:INPUT - [0:0]\nCOMMIT\n", "*filter\n-N INPUT\nCOMMIT\n"),
    *("*filter\nCOMMIT\nCOMMIT\n", "*filter\n-P FOO DROP\nCOMMIT\n", "*filter\n-P INPUT FROB\nCOMMIT\n"),
    *("*filter\n-L\nCOMMIT\n", "*filter\n-A INPUT -t nat -j ACCEPT\nCOMMIT\n", "*filter\n-F NOPE\nCOMMIT\n"),
    "*filter\n-A INPUT -p tcp --dport 99999 -j ACCEPT\nCOMMIT\n",
    "*filter\n-A INPUT -j ACCEPT\n# hi\n\nCOMMIT\n*nat\n:X - [0:0]\n-A X -j ACCEPT\nCOMMIT\n",
)


@pytest.mark.parametrize("line", ["iptables-restore", "iptables-restore --noflush"])
def test_a_text_is_taken_whole_or_not_at_all(pair: Any, line: str) -> None:
    for text in REFUSED_TEXTS:
        assert (text, pair.ours.run(line, text)) == (text, pair.real.run(line, text))
        pair.check("iptables-save -t filter\niptables -t nat -S")
