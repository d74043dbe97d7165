"""The policies of a cluster as YAML, and what each line of them has to do with one connection.

The API's text is asked (`permitted`), in both directions; a line that decided, that selects a pod or that came nearest
has a word beside it, so that nobody needs its colour.

Left out: who enforces it (the trace says that).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from k8slearn import permitted
from k8slearn.api.policy import nearest
from k8slearn.api.policy.compiled import CLUSTER, Policy, Rule
from k8slearn.api.policy.judge import concerning, side
from k8slearn.errors import Refused
from k8slearn.journal import World
from k8slearn.shell.kubectl.written import as_yaml

KEPT = ("name", "namespace", "labels")
"""What of the metadata is somebody's own text."""
_PART = re.compile(r"[^.\[\]]+")


class PolicyLine(NamedTuple):
    """A line of YAML, and what it did (a few words, mostly none)."""

    says: str
    sign: str = ""


class PolicyText(NamedTuple):
    """One policy: its kind and name, and its lines."""

    title: str
    lines: tuple[PolicyLine, ...]


def policy_texts(world: World, source: str = "", to: str = "", port: int = 80, proto: str = "TCP") -> list[PolicyText]:
    """Every policy, with signs for one connection if `source` and `to` (pods or addresses) name one."""
    signs = _signs(world, source, to, port, proto) if source else {}
    found = []
    for kind, table in (("NetworkPolicy", "networkpolicies"), ("ClusterNetworkPolicy", CLUSTER)):
        for name, obj in world.table("api", table).items():
            title = f"{kind} {name}"
            found.append(PolicyText(title, tuple(_lines(obj, signs.get(title, {})))))
    return found


def _lines(obj: dict[str, Any], signs: dict[str, str]) -> Iterator[PolicyLine]:
    metadata = {key: obj["metadata"][key] for key in KEPT if obj["metadata"].get(key)}
    text = as_yaml({"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata, "spec": obj["spec"]})
    at = {_line(text, path): sign for path, sign in signs.items()}
    for number, line in enumerate(text.splitlines()):
        yield PolicyLine(line, at.get(number, ""))


def _line(text: str, path: str) -> int:
    """The line (from 0) on which a field begins, or the last of its parents that is written."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = 0
    for part in _PART.findall(path):
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
            if found is None:
                return line
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line
    return line


def _signs(world: World, source: str, to: str, port: int, proto: str) -> dict[str, dict[str, str]]:
    """Policy's title -> path -> what it did."""
    found: dict[str, dict[str, str]] = {}
    try:
        asked, _ = permitted.verdicts(world, source, to, port, proto)[0]
    except Refused:
        return found
    if asked.source.pod and asked.source.pod == asked.destination.pod:
        return found
    for direction, subject in (("egress", asked.source), ("ingress", asked.destination)):
        for policy in concerning(world, subject.pod, direction):
            path = "spec.podSelector" if policy.kind == "NetworkPolicy" else "spec.subject"
            told = found.setdefault(policy.title, {})
            told[path] = (
                f"{told[path]}, and for {direction}" if path in told else f"selects {subject.pod}, for {direction}"
            )
        verdict = side(world, asked, direction)
        if verdict.rule is not None:
            _tell(found, verdict.policies[0], verdict.rule, f"{_does(verdict.rule)} ({direction})")
        elif not verdict.allowed:
            for policy, rule, lacks in filter(None, [nearest(world, asked, verdict)]):
                _tell(found, policy, rule, f"came nearest ({direction}): {'; '.join(lacks)}")
    return found


def _does(rule: Rule) -> str:
    return {"Accept": "allows this", "Deny": "denies this"}.get(rule.action, rule.action)


def _tell(found: dict[str, dict[str, str]], policy: Policy, rule: Rule, sign: str) -> None:
    found.setdefault(policy.title, {})[rule.part] = sign
