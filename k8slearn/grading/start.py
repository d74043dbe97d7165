"""The cluster that a learner is given, and the same cluster again with a learner's work done to it.

The start of a variant is built once per process and laid under every copy of it (a journal's fork shares the rows),
so that opening an exercise, resetting it and replaying a record cost what the learner did, not what the author did.

An answer is an input like any other: ``answer`` is a kind that an exercise's engine knows beside the cluster's own. So it
is journalled at its revision, saved with the rest, and undone like the rest.

Left out: starts larger than memory; a few dozen are kept.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping
from functools import lru_cache
from typing import Any

from k8slearn.cluster import Cluster
from k8slearn.engine import Verb
from k8slearn.errors import Refused
from k8slearn.grading.checks import Answer
from k8slearn.grading.definition import Definition, load
from k8slearn.grading.record import Record, canonical
from k8slearn.grading.variant import Variant, fill
from k8slearn.journal import Command, Input, Put, World


def start(definition: Definition, variant: Variant) -> Cluster:
    """A fresh cluster at the start of this variant. Nothing before its `engine.start` can be undone."""
    base = _base(definition.id, canonical(variant))
    cluster = base.at(base.journal.revision)
    cluster.engine.verbs["answer"] = Verb(_answer, lambda arguments: "learner")
    cluster.engine.start = cluster.journal.revision
    return cluster


@lru_cache(maxsize=48)
def _base(exercise: str, variant_text: str) -> Cluster:
    definition, variant = load(exercise), json.loads(variant_text)
    cluster = Cluster(**fill(definition.start, variant))
    manifest = fill(definition.manifest, variant)
    if manifest.strip():
        cluster.apply(manifest)
    for fault in definition.faults:
        _do_fault(cluster, fill(fault, variant))
    return cluster


def _do_fault(cluster: Cluster, fault: Mapping[str, str]) -> None:
    """A fault is a command that somebody ran: it stands in the journal, and `explain` can name it."""
    on, command = fault["on"], fault["run"]
    if on == "kubectl":
        cluster.kubectl(command)
        return
    place = cluster.node(on.removeprefix("node:")) if on.startswith("node:") else cluster.pod(*reversed(on.split("/")))
    result = place.run(command)
    if result.exit_code:
        raise Refused(f"the fault {command!r} on {on} failed: {result.stderr.strip()}")


def _answer(world: World, arguments: Mapping[str, Any]) -> Generator[Command, None, None]:
    """The verb ``answer``: the value as JSON text, so that it is frozen."""
    yield Put(("exercise", "answers", arguments["question"]), canonical(arguments["value"]))


def replay(definition: Definition, variant: Variant, record: Record) -> tuple[Cluster, list[str]]:
    """The start with a record's entries done to it, and what was odd: an entry that an engine would not have kept."""
    cluster = start(definition, variant)
    answers = [Input(a.revision, "answer", {"question": a.question, "value": a.value}) for a in record.answers]
    odd = []
    for entry in sorted([*record.inputs, *answers], key=lambda e: e.revision):
        try:
            cluster.engine.do(entry.kind, entry.arguments)
        except Refused as wrong:
            odd.append(f"entry {entry.revision} ({entry.kind}) is refused: {wrong}")
    if [i.revision for i in cluster.engine.inputs()] != sorted(e.revision for e in [*record.inputs, *answers]):
        odd.append("the entries' revisions are not those that this engine gives them")
    return cluster, odd


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
