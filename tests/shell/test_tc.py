"""``tc`` says what the real one says on a real kernel (netem, which this kernel has not, from tc-netem(8))."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

START = """
ip link add v1 address 02:00:00:00:00:01 type veth peer name v2 address 02:00:00:00:00:02
ip link add ifb0 address 02:00:00:00:00:03 type ifb
ip link set v1 up
"""
TBF = "tbf rate 1mbit burst 32kbit latency 400ms"
REDIRECT = "action mirred egress redirect dev ifb0"
FILTER = "tc filter add dev v1 parent ffff: protocol all"


@pytest.fixture(autouse=True)
def _tool() -> None:
    if shutil.which("tc") is None:
        pytest.skip("needs tc")


@pytest.mark.root
def test_a_queue_is_added_changed_shown_and_deleted(pair: Any) -> None:
    pair.check(f"""
        {START}
        tc qdisc show
        tc qdisc show dev v1
        tc qdisc add dev v1 root {TBF}
        ip link show v1
        tc qdisc
        tc -s qdisc show dev v1
        tc -j qdisc show dev v1
        tc -j -p qdisc show
        tc qdisc change dev v1 root tbf rate 2mbit burst 32kbit latency 400ms
        tc qdisc show dev v1
        tc qdisc replace dev v1 root handle 1: tbf rate 2mbit burst 32kbit limit 10000
        tc qdisc show dev v1
        tc qdisc show dev v1 handle 1:
        tc qdisc show root
        tc qdisc add dev v1 ingress
        tc -s qdisc show dev v1
        tc -j qdisc show
        tc qdisc show dev v1 ingress
        tc qdisc del dev v1 root
        tc qdisc show dev v1
        ip link set ifb0 up
        tc qdisc show
        tc -j qdisc show dev ifb0
        ip link set v1 down
        ip link set v1 name v9
        tc qdisc show
        ip link del v9
        tc qdisc show
    """)


RATES = (
    "rate 1kbit burst 1 latency 1",
    "rate 1.5mbit burst 5kb latency 1.5s",
    "rate 8bit burst 5kb latency 1.5s",
    "rate 1mbps burst 5000 limit 3mb",
    "rate 10gbit burst 5000000 limit 3mb",
    "rate 123456789 burst 123456 latency 12345us",
    "rate 100mbit burst 1600 limit 1600",
    "rate 3mibit burst 10k latency 25ms",
    "rate 12345678 burst 12345 limit 99999",
    "rate 2tbit burst 100mb latency 1ms",
    "rate 999kbit buffer 1540 latency 50msec",
    "burst 1b rate 7Kbps limit 1mbit",
)


@pytest.mark.root
def test_rates_sizes_and_times_are_read_and_printed_as_tc_does(pair: Any) -> None:
    pair.check(START)
    for words in RATES:
        pair.check(f"""
            tc qdisc replace dev v1 root tbf {words}
            tc qdisc show dev v1
            tc -j qdisc show dev v1
        """)


@pytest.mark.root
def test_a_filter_redirects_to_an_ifb(pair: Any) -> None:
    pair.check(f"""
        {START}
        tc filter show dev v1
        tc qdisc add dev v1 handle ffff: ingress
        {FILTER} u32 match u32 0 0 {REDIRECT}
        tc filter show dev v1
        tc filter show dev v1 ingress
        tc filter show dev v1 parent ffff:
        tc -j filter show dev v1 ingress
        tc filter add dev v1 parent ffff: protocol ip prio 10 u32 match u32 0 0 flowid 1:1 {REDIRECT}
        tc filter add dev v1 ingress protocol ip prio 10 u32 match u32 0 0 {REDIRECT}
        {FILTER} u32 match u32 0 0 {REDIRECT}
        tc filter show dev v1 ingress
        tc -j filter show dev v1 parent ffff:
        tc filter del dev v1 parent ffff: prio 10
        tc filter show dev v1 parent ffff:
        ip link del ifb0
        tc filter show dev v1 parent ffff:
        tc filter del dev v1 parent ffff:
        tc filter show dev v1 parent ffff:
        tc qdisc del dev v1 ingress
    """)


REFUSED = f"""
tc qdisc add dev v1 root {TBF}
tc qdisc add dev v1 root handle 2: {TBF}
tc qdisc change dev v1 root handle 2: {TBF}
tc qdisc del dev v1 root handle 7:
tc qdisc del dev v2 root
tc qdisc del dev v2 ingress
tc qdisc del dev v1
tc qdisc del dev zz root
tc qdisc add dev zz root {TBF}
tc qdisc add dev v2 root blah
tc qdisc add dev v2 root blah foo
tc qdisc add dev v2 root
tc qdisc add dev v1 root
tc qdisc add dev v2 {TBF}
tc qdisc add root {TBF}
tc qdisc change dev v2 root {TBF}
tc qdisc change dev v2 ingress
tc qdisc add dev v1 ingress
tc qdisc add dev v2 root tbf
tc qdisc add dev v2 root tbf rate 1mbit
tc qdisc add dev v2 root tbf rate 1mbit burst 10k
tc qdisc add dev v2 root tbf rate 1mbit burst 10k limit 10 latency 3ms
tc qdisc add dev v2 root tbf rate xx burst 10k limit 10
tc qdisc add dev v2 root tbf rate 1mbit burst xx limit 10
tc qdisc add dev v2 root tbf rate 1mbit burst 10k limit xx
tc qdisc add dev v2 root tbf rate 1mbit burst 10k latency xx
tc qdisc add dev v2 root tbf rate 1mbit foo
tc qdisc add dev v2 root tbf rate
tc qdisc add dev v2 root tbf help
tc qdisc del dev v1 root tbf
tc qdisc add dev v2 root handle xx {TBF}
tc qdisc add dev v2 root root {TBF}
tc qdisc add dev v2 root ingress
tc qdisc add dev v2 dev v2
tc qdisc show dev zz
tc qdisc show dev v1 foo
tc qdisc foo
tc foo
tc -foo
tc filter show dev zz
tc filter show
tc filter foo
tc filter add dev v2 parent ffff: protocol all u32 match u32 0 0 {REDIRECT}
tc filter add dev v1 parent 1: protocol all u32 match u32 0 0 {REDIRECT}
tc filter add dev v1
tc filter add dev zz parent ffff: protocol all u32 match u32 0 0 {REDIRECT}
{FILTER} u32 match u32 0 0 action mirred egress redirect dev zz
{FILTER} prio x u32 match u32 0 0 {REDIRECT}
tc filter add dev v1 parent ffff: protocol ip prio 5 u32 match u32 0 0 {REDIRECT}
tc filter add dev v1 parent ffff: protocol foo u32 match u32 0 0 {REDIRECT}
tc filter del dev v1 parent ffff: prio 77
tc filter del dev v2 parent ffff: prio 77
"""


@pytest.mark.root
def test_a_refusal_has_the_real_words_and_changes_nothing(pair: Any) -> None:
    pair.check(f"""
        {START}
        tc qdisc add dev v1 root {TBF}
        tc qdisc add dev v1 ingress
        {FILTER} prio 5 u32 match u32 0 0 {REDIRECT}
        {REFUSED}
        tc qdisc show
        tc filter show dev v1 ingress
    """)


def test_netem_reads_as_its_manual_page_says(ours: Any) -> None:
    """From tc-netem(8) and q_netem.c: this kernel has no netem."""
    for line in filter(None, START.splitlines()):
        ours.run(line)
    assert ours.run("tc qdisc add dev v1 root netem delay 100ms loss 10%") == ("", "", 0)
    assert (
        ours.run("tc qdisc show dev v1").stdout == "qdisc netem 8001: root refcnt 2 limit 1000 delay 100ms loss 10%\n"
    )
    assert " qdisc netem " in ours.run("ip link show v1").stdout
    assert ours.run("tc qdisc change dev v1 root netem loss 0.3").exit_code == 0
    assert ours.run("tc qdisc show dev v1").stdout.endswith("limit 1000 loss 0.3%\n")
    assert ours.run("tc qdisc replace dev v1 root netem delay 1.5s").exit_code == 0
    assert ours.run("tc qdisc show dev v1").stdout.endswith("limit 1000 delay 1.5s\n")
    assert ours.run(f"tc qdisc change dev v1 root {TBF}").stderr == "Error: Invalid qdisc name.\n"
    assert ours.run("tc qdisc replace dev v1 root netem delay x").stderr == 'Illegal "latency"\n'
    assert ours.run("tc qdisc replace dev v1 root netem loss x").stderr == 'Illegal "loss percent"\n'


@pytest.mark.parametrize(
    "line",
    [
        "tc qdisc add dev v1 root htb default 30",
        "tc qdisc add dev v1 root fq_codel",
        "tc qdisc add dev v1 clsact",
        "tc qdisc add dev v1 root netem delay 100ms 10ms",
        "tc qdisc add dev v1 root netem duplicate 1%",
        "tc class show dev v1",
        "tc -s filter show dev v1",
        "tc filter add dev v1 parent ffff: matchall action drop",
        "tc filter add dev v1 parent ffff: u32 match ip src 10.0.0.1/32 action drop",
    ],
)
def test_what_is_not_modelled_is_refused_in_a_sentence(ours: Any, line: str) -> None:
    for command in filter(None, START.splitlines()):
        ours.run(command)
    said = ours.run(line)
    assert said.exit_code == 1
    assert said.stderr.endswith("this is not modelled here\n")
    assert ours.run("tc qdisc show dev v1").stdout == "qdisc noqueue 0: root refcnt 2 \n"
