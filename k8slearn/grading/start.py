"""The cluster that a learner is given, and the same cluster again with a learner's work done to it.

What stands at the start of a variant is built once per process and laid under every copy of it (a journal's fork
shares the rows), so that opening an exercise, resetting it and replaying a record cost what the learner did, not what
the author did. Variants that differ only in what is asked about the same cluster share it.

An answer is an input like any other: it is journalled at its revision, saved with the rest, and undone like the rest.

Left out: starts larger than memory; a few dozen are kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache

from k8slearn.cluster import Cluster, Place
from k8slearn.errors import Refused
from k8slearn.grading.checks import Answer
from k8slearn.grading.definition import Definition
from k8slearn.grading.record import Record
from k8slearn.grading.variant import Variant, fill
from k8slearn.journal import Input


def start(definition: Definition, variant: Variant) -> Cluster:
    """A fresh cluster at the start of this variant; nothing before its `engine.floor` can be undone, and
    where the exercise asks for a mend, `explain` proposes none."""
    cluster = Cluster._of(_base(made_of(definition, variant)).engine.fork())
    cluster.engine.floor = cluster.journal.revision
    cluster.engine.remedies = definition.kind not in ("mend", "find")
    return cluster


def made_of(definition: Definition, variant: Variant) -> str:
    """What the start of this variant is made of, in its own order; equal for variants that start with one cluster."""
    faults = [dict(fill(fault, variant)) for fault in definition.faults]
    return json.dumps([fill(definition.start, variant), fill(definition.manifest, variant), faults])


@lru_cache(maxsize=48)
def _base(made: str) -> Cluster:
    given, manifest, faults = json.loads(made)
    cluster = Cluster._of(_bare(json.dumps(given)).engine.fork())
    if manifest.strip():
        cluster.apply(manifest)
    for fault in faults:
        _do_fault(cluster, fault)
    return cluster


@lru_cache(maxsize=48)
def _bare(given: str) -> Cluster:
    """The machines and their wiring, which differ less between variants than what runs there."""
    wanted = json.loads(given)
    return Cluster(**{**wanted, **({"network": None} if wanted.get("network") == "none" else {})})


def _do_fault(cluster: Cluster, fault: Mapping[str, str]) -> None:
    """A fault is a command that somebody ran: it stands in the journal, and `explain` can name it. `on` says where:
    ``kubectl``, ``node:NAME``, ``router``, ``switch``, ``NAMESPACE/POD``; on ``clock`` the seconds in `run` pass."""
    on, command = fault["on"], fault["run"]
    if on == "clock":
        cluster.advance(seconds=float(command))
        return
    if on == "kubectl":
        cluster.kubectl(command, stdin=fault.get("stdin", ""))
        return
    result = _place(cluster, on).run(command, stdin=fault.get("stdin", ""))
    if result.exit_code:
        raise Refused(f"the fault {command!r} on {on} failed: {result.stderr.strip()}")


def _place(cluster: Cluster, on: str) -> Place:
    if on in ("router", "switch"):
        return cluster.router() if on == "router" else cluster.switch()
    return cluster.node(on.removeprefix("node:")) if on.startswith("node:") else cluster.pod(*reversed(on.split("/")))


def replay(definition: Definition, variant: Variant, record: Record) -> tuple[Cluster, list[str]]:
    """The start with a record's entries done to it, and what was odd: an entry that an engine would not have kept."""
    cluster = start(definition, variant)
    answers = [Input(a.revision, "answer", {"question": a.question, "value": a.value}) for a in record.answers]
    entries = sorted([*record.inputs, *answers], key=lambda entry: entry.revision)
    odd = cluster.engine.restore([{"kind": e.kind, "arguments": e.arguments} for e in entries], ())
    if [i.revision for i in done_in(cluster)] != [e.revision for e in entries]:
        odd.append("the entries' revisions are not those that this engine gives them")
    return cluster, odd


def done_in(cluster: Cluster) -> list[Input]:
    """What the learner did and answered: every input since the exercise's start."""
    return [entry for entry in cluster.engine.inputs() if entry.revision > cluster.engine.floor]


def answers_in(inputs: Iterable[Input]) -> dict[str, Answer]:
    """The last answer to each question, in the order in which they were given."""
    found: dict[str, Answer] = {}
    for entry in inputs:
        if entry.kind == "answer":
            question = entry.arguments["question"]
            found.pop(question, None)
            found[question] = Answer(question, entry.arguments["value"], entry.revision)
    return found


def work_in(inputs: Iterable[Input]) -> tuple[Input, ...]:
    """What was done to the cluster: every input that is no answer."""
    return tuple(entry for entry in inputs if entry.kind != "answer")
