"""Which VLAN keeps two machines apart: what a bridge that filters did with the question for somebody's MAC.

A VLAN says no without a word: the question is passed on in one VLAN, and who is in another never hears it. So the
client only sees a neighbour that does not answer. Here is looked up which bridge had the question, in which VLAN, and
which of its ports were in other ones: first of all the port behind which the address really is.

Left out: a vlan device that takes no such tag (the walk says so itself), more than one sentence.
"""

from __future__ import annotations

from k8slearn.journal import Key, World
from k8slearn.linux import switch, vlanfilter
from k8slearn.linux.rows import Link
from k8slearn.trace import Because, Step, Trace

Said = tuple[str, str, Because]
"""(scope, sentence, the row that it rests on)"""


def apart(trace: Trace, world: World) -> Said | None:
    """The one bridge whose VLANs kept the question from its answer, or None where no bridge did."""
    end = trace.attempt.decisive
    if end is None or not end.says.startswith("nobody on "):
        return None
    asked = [step for step in trace.steps if step.what == "bridge" and step.before.is_errand and step.before.tag]
    behind = _port_of(world, end.says.split(" has ")[1].partition(":")[0])
    home = next((step for step in asked if behind and (step.where, step.dev) == (behind[0], behind[1].master)), None)
    if home is not None and behind is not None:
        return _kept(world, home, [behind[1]])
    machine = behind[0] if behind is not None else ""
    return next(
        (said for step in reversed(asked) if (said := _kept(world, step, _towards(world, step, machine)))), None
    )


def _kept(world: World, step: Step, ports: list[Link]) -> Said | None:
    """The bridge of this step has ports that are not in the VLAN of the question."""
    device: Link | None = world.get((step.where, "link", step.dev))
    if device is None or not switch.settings(device).vlan_filtering:
        return None
    vlan = step.before.tag
    elsewhere = [port for port in ports if vlan not in _vids(device, port)]
    if not elsewhere:
        return None
    named = ", ".join(f"{port.name} (in VLAN {_listed(_vids(device, port))})" for port in elsewhere)
    row: Key = (step.where, "link", elsewhere[0].name)
    return step.where, f"{step.dev} had the question in VLAN {vlan} and so kept it from {named}", Because(row, named)


def _towards(world: World, step: Step, machine: str) -> list[Link]:
    """The ports of the bridge that asked around: the one with a cable to this machine, or all of them."""
    ports = [row for row in world.table(step.where, "link").values() if row.master == step.dev]
    return [row for row in ports if row.peer is not None and row.peer[0] == machine] or ports


def _vids(device: Link, port: Link) -> list[int]:
    return [vlan.vid for vlan in vlanfilter.of_port(device, port)]


def _listed(vids: list[int]) -> str:
    return ", ".join(map(str, vids)) or "none"


def _port_of(world: World, address: str) -> tuple[str, Link] | None:
    """(machine's scope, port of a bridge) behind which somebody has this address, by its veth cable."""
    for scope in world.scopes("addr"):
        for row in world.table(scope, "addr").values():
            own: Link | None = world.get((scope, "link", row.dev)) if row.address == address else None
            far: Link | None = world.get((own.peer[0], "link", own.peer[1])) if own is not None and own.peer else None
            if own is not None and own.peer is not None and far is not None and far.master:
                return own.peer[0], far
    return None
