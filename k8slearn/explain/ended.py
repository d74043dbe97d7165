"""How a failed attempt ended, in sentences: the step, the row that decided, who wrote it and why, or what is missing.

Left out: more than one row that is missing.
"""

from __future__ import annotations

from collections.abc import Sequence

from k8slearn.apart import apart
from k8slearn.journal import Change, Entry, World
from k8slearn.linux import fib, ip
from k8slearn.repair import row_text
from k8slearn.trace import Because, Leg, Step, Trace


def ended(trace: Trace, step: Step, world: World, entries: Sequence[Entry]) -> list[str]:
    leg = _leg_of(trace, step)
    lines = [f"The {leg.name} ended on {trace.faces.place(step.where)}{_at(step)}: {step.says}."]
    if step.because is not None:
        lines.append(f"What decided: {step.because.text}{author(trace, step.because)}.")
        lines += _rule_reason(step, world)
    else:
        lines += _missing(trace, step, world, entries)
    return [*lines, *_unheard(trace, step, world), *_by_vlan(trace, world)]


def _by_vlan(trace: Trace, world: World) -> list[str]:
    """A VLAN says no without a word."""
    said = apart(trace, world)
    return [f"On {trace.faces.place(said[0])}, {said[1]}{author(trace, said[2])}."] if said is not None else []


def _unheard(trace: Trace, step: Step, world: World) -> list[str]:
    """A machine that has no way on tells the sender so; where that message has no way back, the client just waits."""
    if trace.outcome != "timeout" or not step.says.startswith("no route to"):
        return []
    if fib.lookup(world, step.where, step.before.src).route is not None:
        return []
    return [
        f"{trace.faces.place(step.where)} cannot even tell the sender: it has no route to {step.before.src} either."
    ]


def _leg_of(trace: Trace, step: Step) -> Leg:
    return next(leg for leg in reversed(trace.legs) if any(s is step for s in leg.steps))


def _at(step: Step) -> str:
    parts = [f"device {step.dev}" if step.dev else "", f"hook {step.hook}" if step.hook else ""]
    words = ", ".join(p for p in parts if p)
    return f" ({words})" if words else ""


def author(trace: Trace, because: Because) -> str:
    cause = trace.faces.cause(because.key, because.position)
    if cause is None:
        return ""
    why = f" because of {cause.cause}" if cause.cause else ""
    return f" (written by {cause.author}{why}, revision {cause.revision})"


def _rule_reason(step: Step, world: World) -> list[str]:
    """A rule knows the line of YAML that its author wrote it for."""
    because = step.because
    if because is None or because.key[1] != "chain" or not because.position:
        return []
    chain = world.get(because.key)
    rules = chain.rules if chain is not None else ()
    reason = rules[because.position - 1].because if because.position <= len(rules) else ""
    return [f"Why that rule is there: {reason}."] if " " in reason and not reason.startswith("Service ") else []


def _missing(trace: Trace, step: Step, world: World, entries: Sequence[Entry]) -> list[str]:
    """Nothing was found: did somebody remove what would have been?"""
    passed = {s.where for s in trace.steps}
    for entry in reversed(entries):
        if not isinstance(entry, Change) or entry.value is not None or entry.key[1] != "route":
            continue
        if entry.key[0] in passed and ip.within(step.before.dst, entry.before.dst):
            cause = trace.faces.cause(entry.key, 0)
            why = f" because of {cause.cause}" if cause is not None and cause.cause else ""
            row = f"{trace.faces.place(entry.key[0])} once had: {row_text(entry.key, entry.before)}"
            return [f"On its way, {row}. {entry.author} removed it{why}, revision {entry.revision}."]
    return _refused(trace, step, world)


def _refused(trace: Trace, step: Step, world: World) -> list[str]:
    """Nothing was found: did a node's kernel refuse what would have been, a route by a node of another subnet?"""
    passed = list(dict.fromkeys(s.where for s in trace.steps))
    whoever = "Whoever routes between the two subnets has to know the way instead."
    for where in passed:
        for unwired in world.table(where, "unwired").values():
            if ip.within(step.before.dst, unwired.dst):
                place, tried = trace.faces.place(where), f"`ip route add {unwired.dst} via {unwired.via} dev eth0`"
                why = f"{unwired.via} is in another subnet than {place}, and a gateway is a neighbour"
                return [
                    f"The administrator tried {tried} on {place}, and the kernel refused ({unwired.refusal}): {why}. "
                    + whoever
                ]
    return [
        f"{far}, whose pod range {step.before.dst} is in, is in another subnet than {near}: {near} can have no "
        f"route by it, for a gateway is a neighbour. {whoever}"
        for near, far in _apart(world, passed, step.before.dst)[:1]
    ]


def _apart(world: World, passed: Sequence[str], dst: str) -> list[tuple[str, str]]:
    """(a node on the way, the node that has this pod address), where the two are in different subnets."""
    settings = world.get(("cluster", "settings", ""))
    if settings is None or len(settings.subnets) < 2:
        return []
    address = dict(settings.nodes)
    ranges = {str(n): node["spec"].get("podCIDR") for n, node in world.table("api", "nodes").items()}
    owner = next((n for n, cidr in ranges.items() if cidr and n in address and ip.within(dst, cidr)), None)
    near = [name for name in (where.removeprefix("node:") for where in passed) if name in address]
    if owner is None:
        return []
    home = settings.subnet_of(address[owner])
    return [(name, owner) for name in near if settings.subnet_of(address[name]) != home]
