"""Scenarios that a person wrote: one line each, first the box, then what is typed there or what is asked.

::

    - ip netns add a                      typed on the machine that holds the boxes
    a cable e0 b e1                       a veth pair: a's e0, b's e1 (MACs are numbered)
    a ip addr add 10.0.1.1/24 dev e0
    b listen tcp 0.0.0.0 80
    a -> 10.0.1.2 80/tcp: connected b 10.0.1.1     asked; then the answer: outcome, who answered, whom it saw

Left out: words in quotes that contain a colon and a blank.
"""

from __future__ import annotations

from .scenario import Answer, Line, Probe, Scenario


def written(text: str) -> tuple[Scenario, list[Answer]]:
    """The scenario, and the answers that stand beside its questions."""
    lines: list[Line] = []
    asked: list[Probe] = []
    answers: list[Answer] = []
    for one in filter(None, text.splitlines()):
        box, _, words = one.partition(" ")
        if words.startswith("-> "):
            question, _, answer = words.partition(": ")
            address, door = question.split()[1:]
            asked.append(Probe(box, address, int(door.partition("/")[0]), door.partition("/")[2]))
            answers.append(Answer(*answer.split()))
        elif words.startswith("cable "):
            lines.append(_cable(box, *words.split()[1:], number=len(lines)))
        else:
            lines.append(Line(box.strip("-"), words))
    return Scenario(tuple(lines), tuple(asked)), answers


def _cable(box: str, dev: str, other: str, far: str, number: int) -> Line:
    near = f"name {dev} address 02:00:00:01:{number:02x}:01 netns {box}"
    peer = f"name {far} address 02:00:00:01:{number:02x}:02 netns {other}"
    return Line("", f"ip link add {near} type veth peer {peer}")
