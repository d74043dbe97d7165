"""Ours prints what the real kubectl printed about the same objects (`kubectl_record`), byte for byte."""

from __future__ import annotations

import shlex

import pytest

from k8slearn.journal import World
from k8slearn.shell import run

from .kubectl_record import Said, recorded
from .kubectl_world import made

CLOCK, RECORDED = recorded()
OLD_BUILD = {
    "Error: unknown": "error: unknown",
    "Error: flag needs": "error: flag needs",
}
"""The recorded build prints these with a capital letter; released ones do not."""
OURS = "Enforced: no enforcer"
"""A line that only our kubectl has: it says on a policy's page that nobody enforces it."""


@pytest.fixture(scope="module")
def world() -> World:
    return made(CLOCK)


@pytest.mark.parametrize("said", RECORDED, ids=lambda said: said.command)
def test_a_command_line_prints_what_the_real_kubectl_printed(world: World, said: Said) -> None:
    running = run(world.fork(), "node:node-1", ["kubectl", *shlex.split(said.command)])
    while True:
        try:
            next(running)
        except StopIteration as end:
            ours = end.value
            break
    stderr = said.stderr
    for theirs, released in OLD_BUILD.items():
        stderr = stderr.replace(theirs, released)
    stdout = "".join(line for line in ours.stdout.splitlines(keepends=True) if not line.startswith(OURS))
    assert (stdout, ours.stderr, int(ours.exit_code)) == (said.stdout, stderr, said.exit_code)
