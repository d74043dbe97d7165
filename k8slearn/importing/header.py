"""A line that our own exports begin with, by which they become the same cluster again.

Plain manifests do not say which nodes there are and what joins them. For kubectl the line is a comment::

    # k8slearn: {"network": "calico", "nodes": {"node-1": "192.168.64.11"}, …}

Left out: a topology (`k8slearn.topology`): the nodes come back on one switch.
"""

from __future__ import annotations

import json
import re
from typing import Any

from k8slearn.components import Settings

LINE = re.compile(r"^# k8slearn: (\{.*\})$", re.MULTILINE)
NAMES = ("nodes", "network", "node_cidr", "pod_cidr", "service_cidr", "proxy", "kubernetes", "seed")


def header(settings: Settings) -> str:
    """The line, for the top of a file."""
    own = settings.network is not None and settings.network.startswith("{")
    found: dict[str, Any] = {name: getattr(settings, name) for name in NAMES}
    found |= {"nodes": dict(settings.nodes), "network": json.loads(settings.network or "") if own else settings.network}
    return f"# k8slearn: {json.dumps(found)}\n"


def told(text: str) -> dict[str, Any]:
    """The arguments of `Cluster` that the line in a text says; none where there is no such line."""
    line = LINE.search(text)
    try:
        found = json.loads(line[1]) if line else {}
    except ValueError:
        return {}
    return {name: value for name, value in found.items() if name in NAMES}
