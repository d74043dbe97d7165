"""Every match and target of iptables' language, given to the real iptables and to ours: the same rule is printed in
every form, or the same complaint.

``rules_of_iptables.txt`` and ``rules_of_ip6tables.txt`` hold the rules. A line is a rule for INPUT of the table
filter, or ``@TABLE`` and a rule for a chain of that table.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.shell.conftest import Ours, Real

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="namespaces need root"),
    pytest.mark.skipif(shutil.which("iptables") is None, reason="not installed: iptables"),
]
CHAINS = {"nat": "PREROUTING", "mangle": "FORWARD", "raw": "PREROUTING"}


@pytest.fixture(scope="module")
def real() -> Iterator[Real]:
    machine = Real()
    machine.run("sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0")
    yield machine
    machine.close()


def commands(program: str, line: str) -> list[str]:
    """The rule is written into an empty chain, and listed in every form."""
    table = "filter"
    if line.startswith("@"):
        table, line = line[1:].split(" ", 1)
    chain = CHAINS.get(table, "INPUT")
    chain, rule = (line.split()[1], line) if line.startswith("-A ") else (chain, f"-A {chain} {line}")
    start = f"{program} -t {table}"
    return [f"{start} {what}" for what in ("-F", rule, "-S", f"-nvL {chain}", f"-L {chain}")]


def held_against(real: Any, program: str) -> None:
    ours, lines = Ours(), (Path(__file__).parent / f"rules_of_{program}.txt").read_text().splitlines()
    every = [command for line in lines for command in commands(program, line)]
    said = real.run("sh", "\n".join(f"{c}; echo =$?; echo @@ | tee /dev/stderr" for c in every))
    for command, out, err in zip(every, said.stdout.split("@@\n"), said.stderr.split("@@\n"), strict=False):
        text, _, code = out.rpartition("=")
        got = ours.run(shlex.split(command))
        assert (command, got.stdout, got.stderr, got.exit_code) == (command, text, err, int(code))


@pytest.mark.slow
def test_a_rule_of_every_kind_is_printed_as_iptables_prints_it(real: Any) -> None:
    held_against(real, "iptables")


def test_a_rule_of_every_kind_is_printed_as_ip6tables_prints_it(real: Any) -> None:
    held_against(real, "ip6tables")
