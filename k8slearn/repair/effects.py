"""What else an edit would do: which other pairs of pods connect only with it, and which only without.

Two matrices at the port that the question reaches, one of the cluster as it is and one of the copy with the edit.

Left out: other ports, nodes and outside hosts as ends, Services.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from k8slearn import endpoints
from k8slearn.journal import Table, World
from k8slearn.matrix import Matrix
from k8slearn.reach import matrix
from k8slearn.repair.edit import Case, Edit, Pair

MOST_PODS = 60
"""In a cluster with more pods the other pairs are not counted."""
NOTHING = Table()
NO_PACKETS = ("kube-proxy", "healthz", "retry", "sandbox", "container", "log")
"""Tables of a node's that no packet meets."""


class Effects:
    """The cluster as it is, remembered for each port that is asked of."""

    def __init__(self, before: Case) -> None:
        self.before = before
        self.family = 6 if ":" in (before.question.address or "") else 4
        self.known: dict[tuple[int, str], Matrix] = {}

    def of(self, edit: Edit, after: Case) -> Edit:
        """The edit with the pairs that it opens and closes."""
        port, protocol = _port(after) or _port(self.before) or after.question.port, after.question.protocol
        edit = replace(edit, port=f"{port}/{protocol}")
        if not edit.typed or not _concerns_pods(self.before.world, after.world):
            return edit
        count = len(endpoints.pods(self.before.world, self.family))
        if count > MOST_PODS:
            return replace(edit, limited=f"the other pairs of {count} pods were not counted (up to {MOST_PODS} are)")
        was = self.known.get((port, protocol))
        if was is None:
            was = self.known[port, protocol] = matrix(self.before.world, port, protocol, self.family)
        now = matrix(after.world, port, protocol, self.family)
        own = _pair(self.before) | _pair(after)
        changes = now.since(was)
        opens = tuple(pair for pair in changes.opened if pair not in own)
        return replace(edit, opens=opens, closes=tuple(pair for pair in changes.closed if pair not in own))


def _concerns_pods(before: World, after: World) -> bool:
    """Do rows differ that packets from pod to pod may meet? kube-proxy's are about addresses of Services."""
    was, now = before.tables(), after.tables()
    for place in {*was, *now}:
        one, other = was.get(place, NOTHING), now.get(place, NOTHING)
        if one is other or place[0] in ("api", "clock") or place[1] in NO_PACKETS:
            continue
        if place[1] != "chain" and one != other:
            return True
        if any(one.get(key) != other.get(key) for key in {*one, *other} if not _of_services(key)):
            return True
    return False


def _of_services(key: Hashable) -> bool:
    return isinstance(key, tuple) and str(key[-1]).startswith("KUBE-")


def _port(case: Case) -> int:
    """Where the server was reached."""
    return int((case.attempt.ending.destination_seen or ":0").rpartition(":")[2])


def _pair(case: Case) -> set[Pair]:
    """The pair that the question itself is about, where its ends are pods."""
    places = endpoints.pods(case.world, 6 if ":" in (case.question.address or "") else 4)
    source = next((name for name, (scope, _) in places.items() if scope == case.question.netns), "")
    reached = (case.attempt.ending.destination_seen or "").rpartition(":")[0].strip("[]") or case.question.address
    found = next((name for name, (_, address) in places.items() if address == reached), "")
    return {(source, found)}
