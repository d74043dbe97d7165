"""What was typed, taken back: the last inputs that changed rows of a kernel or objects by hand, the newest first.

A row goes back by the command of its tool (`typed.py`); an object by a patch of the fields that were changed, by being
deleted, or by being applied again.

Left out: objects other than `TABLES`, and fields other than labels and the spec.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from k8slearn.api.policy.compiled import CLUSTER, NETWORK
from k8slearn.journal import Change, Input
from k8slearn.repair.edit import Candidate, Case, Typed
from k8slearn.repair.policies import leaves
from k8slearn.repair.typed import BACK, saying, undone

TABLES = {
    "services": "service",
    "pods": "pod",
    "namespaces": "namespace",
    NETWORK: "networkpolicy",
    CLUSTER: "clusternetworkpolicy",
    "endpointslices": "endpointslice",
}
"""A table -> what kubectl calls its objects."""
BACK_TO = 12
"""So many of the last inputs are taken back one by one."""
OWN = ("namespace", "name", "labels")
"""What of an object's metadata is typed; the rest is the API server's."""
Obj = dict[str, Any]


def candidates(case: Case, until: int) -> Iterator[Candidate]:
    """Each input taken back; `until` is the revision up to which the journal is the learner's own."""
    journal, done = case.engine.journal, dict[int, list[Change]]()
    components = {component.name for component in case.engine.components}
    for entry in journal.entries[case.engine.start : until]:
        if not isinstance(entry, Change) or entry.author in components:
            continue
        if entry.key[1] in BACK or _is_typed(entry):
            done.setdefault(entry.source, []).append(entry)
    for source in sorted(done, reverse=True)[:BACK_TO]:
        cause = journal.entries[source - 1]
        assert isinstance(cause, Input)
        if cause.kind in ("run", "fault"):
            typed = undone(case.world, done[source])
            if typed:
                yield Candidate(saying(typed), typed, len(typed), restores=True)
        for change in done[source] if cause.kind in ("kubectl", "apply", "delete") else ():
            yield from _object(case, change)


def _is_typed(change: Change) -> bool:
    return change.key[0] == "api" and change.key[1] in TABLES and change.author == "kubectl"


def _object(case: Case, change: Change) -> Iterator[Candidate]:
    """One object as it was before."""
    table, name, now = change.key[1], str(change.key[2]), case.world.get(change.key)
    if not _is_typed(change) or (now is None) != (change.value is None):
        return
    before, namespace = change.before, name.rpartition("/")[0]
    who = name.rpartition("/")[2] + (f" -n {namespace}" if namespace else "")
    if before is None and table in (NETWORK, CLUSTER):
        typed, size = Typed(f"kubectl delete {TABLES[table]} {who}"), 1 + leaves(now.get("spec"))
    elif now is None and table not in ("pods", "namespaces"):
        text = yaml.safe_dump(_plain(before), sort_keys=False)
        typed, size = Typed("kubectl apply -f -", "", text), 1 + leaves(before.get("spec"))
    elif before is not None and now is not None:
        patch = _patch(table, now, before)
        if not patch:
            return
        typed, size = Typed(f"kubectl patch {TABLES[table]} {who} --type=merge -p '{json.dumps(patch)}'"), leaves(patch)
    else:
        return
    yield Candidate(saying((typed,)), (typed,), size, restores=before is not None)


def _patch(table: str, now: Obj, before: Obj) -> Obj:
    """The merge patch that makes the fields of a person what they were."""
    labels = _difference(now["metadata"].get("labels") or {}, before["metadata"].get("labels") or {})
    spec = _difference(now.get("spec") or {}, before.get("spec") or {}) if table not in ("pods", "namespaces") else {}
    return {**({"metadata": {"labels": labels}} if labels else {}), **({"spec": spec} if spec else {})}


def _difference(now: Mapping[str, Any], before: Mapping[str, Any]) -> Obj:
    found: Obj = {key: None for key in now if key not in before}
    for key, value in before.items():
        inner = now.get(key)
        if isinstance(value, Mapping) and isinstance(inner, Mapping):
            deeper = _difference(inner, value)
            found |= {key: deeper} if deeper else {}
        elif inner != value:
            found[key] = value
    return found


def _plain(obj: Obj) -> Obj:
    """An object as a person would write it."""
    metadata = {key: obj["metadata"][key] for key in OWN if key in obj["metadata"]}
    kept = {key: value for key, value in obj.items() if key not in ("metadata", "status")}
    head = {key: kept.pop(key) for key in ("apiVersion", "kind") if key in kept}
    return json.loads(json.dumps({**head, "metadata": metadata, **kept}))  # type: ignore[no-any-return]
