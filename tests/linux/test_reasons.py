"""Every drop has the kernel's own name for it, and a recorded conversation counts it once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from k8slearn import linux
from k8slearn.linux.reasons import REASONS

BTF = Path("/sys/kernel/btf/vmlinux")
FOLDER = Path(linux.__file__).parent
STEP = re.compile(r'Step\([\w.\[\]]+, "drop",')


def test_every_reason_is_a_name_of_this_kernel() -> None:
    if not BTF.exists():
        pytest.skip("this kernel tells nothing about its types")
    known = set(re.findall(rb"SKB_(?:DROP_REASON_)?([A-Z0-9_]+)\0", BTF.read_bytes()))
    if b"RECURSION_LIMIT" not in known:
        pytest.skip("an older kernel has fewer names")
    assert {name.encode() for name in REASONS} <= known


def test_every_line_that_drops_a_packet_gives_a_reason_of_the_table() -> None:
    for path in FOLDER.rglob("*.py"):
        for line in path.read_text().splitlines():
            if STEP.search(line):
                assert re.search(r'reason=|"[A-Z_]{8,}"\)$|refused\[1\]', line), (path.name, line)
            for name in re.findall(r'reason="([A-Z0-9_]*)"', line):
                assert name in REASONS, (path.name, line)
