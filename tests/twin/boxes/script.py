"""A scenario as a bash script: for any Linux machine with root, iproute2, iptables, nft and python3."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from k8slearn.export import agent

from .compare import Difference
from .real import QUICK, SETTLED
from .scenario import Line, Probe, Scenario

SCRIPT = r"""#!/usr/bin/env bash
# Boxes and links, told to a real kernel. Run it as root; it makes namespaces named {prefix}* and removes them again.
{differences}
set -u
export PATH="$PATH:/usr/sbin:/sbin"
AGENT=$(cat <<'END_OF_AGENT'
{agent}
END_OF_AGENT
)
agent() {{ python3 -c "$AGENT" "$@"; }}
down() {{
  for box in {boxes}; do
    ip netns pids "{prefix}$box" 2>/dev/null | xargs -r kill -9
    ip netns del "{prefix}$box" 2>/dev/null
  done
}}
typed() {{ "$@" || echo "  refused: $*"; }}
listens() {{ agent listen <<<"in $1
$2" 2>/dev/null || echo "  refused: $1: listen $2"; }}
trap down EXIT
down

# what the engine takes for granted
base() {{ agent settings <<<"in $1
{settings}"; }}

{lines}
sleep {settled}
{listeners}

{probes}
"""


def script(scenario: Scenario, differences: Iterable[Difference] = (), prefix: str = "kbx-") -> str:
    """The script: it builds the boxes, asks each probe, prints what the kernel answered, and removes the boxes."""
    boxes = scenario.boxes
    told = "\n".join(f"# {line}" for one in differences for line in str(one).splitlines())
    return SCRIPT.format(
        prefix=prefix,
        differences=told or "#",
        agent=Path(str(agent.__file__)).read_text(encoding="utf-8"),
        boxes=" ".join(boxes),
        settings="\n".join(f"-{name} = {value}" for name, value in QUICK.items()),
        lines="\n".join(_line(line, boxes, prefix) for line in scenario.lines if not _listens(line)),
        listeners="\n".join(_line(line, boxes, prefix) for line in scenario.lines if _listens(line)),
        settled=SETTLED,
        probes="\n".join(_probe(probe, boxes, prefix) for probe in scenario.probes),
    )


def _listens(line: Line) -> bool:
    return line.text.startswith("listen ")


def _line(line: Line, boxes: list[str], prefix: str) -> str:
    words = shlex.split(line.text)
    if words[0] == "listen":
        return f"listens {prefix}{line.box} {shlex.quote(' '.join([*words[1:], line.box, line.box]))}"
    text = re.sub(rf"\bnetns( add| del)? ({'|'.join(boxes)})(?!\S)", rf"netns\1 {prefix}\2", line.text)
    if not line.box:
        made = f" && base {prefix}{words[3]}" if line.text.startswith("ip netns add ") else ""
        return f"typed {text}{made}"
    return f"typed ip netns exec {prefix}{line.box} {text}"


def _probe(probe: Probe, boxes: list[str], prefix: str) -> str:
    ears = "".join(f"hear {prefix}{box} {box}\n" for box in boxes)
    return f"echo '{probe}'\nagent probe <<<'{ears}{prefix}{probe.box} {probe.address} {probe.port} {probe.proto}'"
