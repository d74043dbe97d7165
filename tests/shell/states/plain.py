"""An output without what no two machines share: queues, timers, drawn numbers, the order of a directory."""

from __future__ import annotations

import re

from tests.shell.conftest import Said, blurred


def plain(line: str, said: Said) -> Said:
    """What is compared of an output."""
    said = blurred(said)
    text = said.stdout
    if line == "ip netns":
        text = "".join(sorted(text.splitlines(keepends=True)))
    if line == "conntrack -L":
        text = re.sub(r"id=\d+", "id=N", re.sub(r"^(\w+ +\d+) \d+ ", r"\1 T ", text, flags=re.MULTILINE))
    return said._replace(stdout=text)
