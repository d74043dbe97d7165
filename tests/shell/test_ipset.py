"""``ipset`` 7.17 says what the real one says on a real kernel, also when it says no."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from k8slearn.journal import Put
from tests.shell.conftest import Ours, Real, Said

TRANSCRIPT = (Path(__file__).parent / "ipset_commands.txt").read_text().splitlines()
real_only = [
    pytest.mark.root,
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="namespaces need root"),
    pytest.mark.skipif(shutil.which("ipset") is None, reason="not installed: ipset"),
]


@pytest.fixture
def real() -> Iterator[Real]:
    machine = Real()
    yield machine
    machine.close()


def blurred(text: str) -> str:
    """Without what the kernel draws or measures: a hash's seed and order, its memory; a second may have passed."""
    text = re.sub(r"initval 0x\w+", "initval X", text)
    text = re.sub(r"Size in memory: \d+", "Size in memory: N", text)
    text = re.sub(r"timeout (9|10|49|50)\b", lambda m: f"timeout {(int(m[1]) + 1) // 10}0", text)
    return re.sub(r"(?<=Members:\n)(.+\n)+|(add .*\n)+", lambda m: "".join(sorted(m[0].splitlines(True))), text)


def test_sets_come_fill_and_go_as_ipset_says(real: Any) -> None:
    ours = Ours()
    said = real.run("sh", "\n".join(f"{line}; echo =$?; echo @@ | tee /dev/stderr" for line in TRANSCRIPT))
    for line, out, err in zip(TRANSCRIPT, said.stdout.split("@@\n"), said.stderr.split("@@\n"), strict=False):
        text, _, code = out.rpartition("=")
        got = ours.run(shlex.split(line))
        want = Said(blurred(text), blurred(err), int(code))
        assert (line, Said(blurred(got.stdout), blurred(got.stderr), got.exit_code)) == (line, want)


test_sets_come_fill_and_go_as_ipset_says.pytestmark = real_only  # type: ignore[attr-defined]
RESTORED = (
    "create a hash:ip\nadd a 1.1.1.1\nadd a 1.1.1.1\n",
    "create a hash:ip -exist\nadd a 1.1.1.1\nadd b 1\n",
    "foo\n",
    "create a hash:ip\nadd a foo\n",
    '# c\n\ncreate a hash:ip comment\nadd a 1.1.1.1 comment "x y"\nlist a\nCOMMIT\n',
)


@pytest.mark.parametrize("text", RESTORED)
def test_a_saved_text_is_restored_line_by_line(real: Any, text: str) -> None:
    got, want = Ours().run("ipset restore", text), real.run("ipset restore", text)
    assert Said(blurred(got.stdout), got.stderr, got.exit_code) == Said(
        blurred(want.stdout), want.stderr, want.exit_code
    )


test_a_saved_text_is_restored_line_by_line.pytestmark += real_only  # type: ignore[attr-defined]


def test_what_save_prints_restore_reads(ours: Ours) -> None:
    for line in (
        "ipset create a hash:net,port timeout 100 counters comment",
        "ipset add a 10.0.0.0/8,tcp:80-82 timeout 5 packets 7 bytes 8 comment 'a b'",
        "ipset add a 10.1.0.0/16,udp:53 nomatch timeout 0",
        "ipset create l list:set",
        "ipset add l a",
        "ipset create b bitmap:port range 1-10",
        "ipset add b 3-5",
        "ipset create six hash:ip,port,net family inet6",
        "ipset add six fd00::1,icmpv6:128/0,fd00::/64",
    ):
        assert ours.run(shlex.split(line)) == Said("", "", 0)
    again, saved = Ours(), ours.run("ipset save").stdout
    assert again.run("ipset restore", saved) == Said("", "", 0)
    assert again.run("ipset save").stdout == saved


def test_an_element_is_forgotten_when_its_time_is_over(ours: Ours) -> None:
    ours.run("ipset create a hash:ip timeout 10")
    ours.run("ipset add a 1.1.1.1")
    ours.run("ipset add a 1.1.1.2 timeout 0")
    ours.world.apply(Put(("clock", "now", ""), 10.0))
    assert ours.run("ipset test a 1.1.1.1").exit_code == 1
    assert "Number of entries: 1\n" in ours.run("ipset list a").stdout
