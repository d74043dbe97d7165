"""A trace in sentences: what happened, what decided, who wrote that and why, and the smallest change that flips it.

Everything said here is read off the trace, the journal and the world; nothing is guessed. The change is found by
trying: `repair.py` makes a copy of the world, changes one thing, asks again, and says only what then really came out
differently.

Left out: more than one explanation; where several rows would have to change, the first set that works is named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from k8slearn import addressed, refusals, repair
from k8slearn.addressed import Finding, Proposal
from k8slearn.apart import apart
from k8slearn.journal import Change, Entry, Journal, World
from k8slearn.linux import fib, ip
from k8slearn.repair import Question
from k8slearn.trace import ENDS, Because, Leg, Step, Trace

PLACES = ("send", "receive", "route", "bridge", "deliver", "rule", *ENDS)
OUTCOMES = {
    "connected": "the answer arrived",
    "refused": "somebody said no (ECONNREFUSED)",
    "unreachable": "the client was told that there is no way",
    "timeout": "the client heard nothing for 4.5 seconds",
    "unresolved": "the name has no address here",
}
"""Each outcome in the words of the client."""
ASKED = "Which change would make it connect? That is what this exercise asks you."
MOST = 6
"""So many fates are named one by one."""


Try = Callable[[Proposal], str]
"""What the same question comes to on a copy of the cluster, after a proposed change: an outcome, or nothing."""


def explain(
    trace: Trace,
    world: World,
    journal: Journal,
    question: Question | None,
    try_out: Try = lambda change: "",
    hidden: int = 0,
) -> str:
    """The whole explanation, one fact a line. `world` is the one that the trace was made in.

    Where an exercise asks the learner to mend, `hidden` is the revision at which it began: no change is proposed
    then, and
    what was removed before it is not told.
    """
    lines = [_headline(trace)]
    if question is None:
        return "\n".join([*lines, *_unresolved(trace, world)])
    lines += [*_way(trace), *_wrapped(trace)]
    step = trace.attempt.decisive
    if trace.outcome == "connected":
        lines += [*_translations(trace), *_seen(trace), *_chance(trace), *_rests_on(trace, world, question)]
        lines += refusals.unenforced(world, trace)
    elif step is not None:
        by_policy = refusals.by_policy(step)
        found = refusals.of_step(world, step) if by_policy else _address(trace, world, question, step)
        told = journal.entries[hidden : trace.revision]
        lines += [*_decided(trace, step, world, told), *found.lines, *_chance(trace)]
        lines += [ASKED] if hidden else _mended(found, try_out) or _flip(trace, world, journal, question)
    return "\n".join(lines)


def _address(trace: Trace, world: World, question: Question, step: Step) -> Finding:
    node = question.netns.partition("/")[0]
    translated = any(s.what == "nat" and s.before.dst == question.dst != s.after.dst for s in trace.steps)
    inside = node.startswith("node:")
    asked = addressed.Asked(question.dst, trace.port, trace.protocol, step, inside, node, translated)
    return addressed.look_up(world, asked)


def _mended(found: Finding, try_out: Try) -> list[str]:
    """What is said about an object is said only if it really mends."""
    change = found.proposal
    if change is None or try_out(change) != "connected":
        return []
    return [f"The smallest change that makes it connect (tried on a copy): {change.says}."]


def _unresolved(trace: Trace, world: World) -> list[str]:
    name, namespace = trace.destination, trace.source.partition("/")[0] if "/" in trace.source else "default"
    first, _, rest = name.rstrip(".").partition(".")
    path = f"{rest.partition('.')[0] or namespace}/{first}"
    service = world.get(("api", "services", path))
    lines = [f"{name} is a name, and no DNS server runs in this cluster: nobody can say which address it has."]
    if service is not None and service["spec"].get("clusterIP") not in (None, "", "None"):
        lines.append(f"You can ask without a name: svc:{path}, or its cluster IP {service['spec']['clusterIP']}.")
    return lines


def _chance(trace: Trace) -> list[str]:
    """Where the rules draw lots, this trace shows one of several fates."""
    fates = trace.fates()
    if len(fates) < 2:
        return []
    said = [f"{f.answered_by or f.outcome} {_percent(float(f.probability))}" for f in fates[:MOST]]
    more = f" and {len(fates) - MOST} more" if len(fates) > MOST else ""
    connects = sum(f.probability for f in fates if f.outcome == "connected")
    sure = "" if connects in (0, 1) else f" It connects in {_percent(float(connects))} of the attempts."
    return [f"Chance draws here, and this is one of {len(fates)} possible fates: {', '.join(said)}{more}.{sure}"]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _headline(trace: Trace) -> str:
    what = f"{trace.source} -> {trace.destination}" + (f":{trace.port}" if trace.port else "")
    who = f", answered by {trace.answered_by}" if trace.answered_by else ""
    return f"{what} ({trace.protocol}): {trace.outcome}{who}: {OUTCOMES[trace.outcome]}."


def _first(trace: Trace) -> Leg:
    """The first packet of the last try; what was told to a socket before it is none."""
    legs = [leg for leg in trace.legs if leg.attempt == trace.legs[-1].attempt]
    return next((leg for leg in legs if leg.name != "connect"), legs[0])


def _way(trace: Trace) -> list[str]:
    """The places that the first packet passed, and how far the conversation came."""
    first = _first(trace)
    places = [trace.faces.place(s.where) for s in first.steps if s.what in PLACES and not s.before.is_errand]
    seen = [p for n, p in enumerate(places) if n == 0 or p != places[n - 1]]
    names = ", ".join(leg.name for leg in trace.legs)
    return [
        f"The {first.name} went: {' -> '.join(seen)}." if len(seen) > 1 else f"It never left {trace.source}.",
        f"Packets: {names}.",
    ]


def _wrapped(trace: Trace) -> list[str]:
    """The tunnels that the first packet went through: which headers it got, and who said where to."""
    return [_tunnel(trace, step) for step in _first(trace).steps if _encapsulates(step)]


def _encapsulates(step: Step) -> bool:
    outer = step.after
    wraps = outer.proto in ("udp", "ipip") and outer.inner is not None
    return wraps and (step.before.inner is None or (outer.cipher and not step.before.cipher))


def _tunnel(trace: Trace, step: Step) -> str:
    outer = step.after
    headers = "IP" if outer.proto == "ipip" else f"UDP port {outer.dport}"
    vni = f", VNI {outer.vni}" if outer.vni else ""
    cipher = ", encrypted" if outer.cipher else ""
    more = f"{outer.size - step.before.size} bytes more"
    why = f" It knew where to by {step.because.text}{_author(trace, step.because)}." if step.because is not None else ""
    where = f"from {outer.src} to {outer.dst}"
    place = trace.faces.place(step.where)
    return f"On {place}, {step.dev} put it into a packet ({headers}{vni}{cipher}) {where}: {more}.{why}"


def _translations(trace: Trace) -> list[str]:
    out = []
    rule: Step | None = None
    told = [leg for leg in trace.legs[:1] if leg.name == "connect"]
    for step in (step for leg in dict.fromkeys((*told, _first(trace))) for step in leg.steps):
        if step.what == "rule" and step.because is not None:
            rule = step
        if step.what == "nat":
            why = rule.because if _is_netfilters(step) and rule is not None else step.because
            why = why if why is not None and why.key[1] != "conntrack" else None
            decided = f" by {why.text}{_author(trace, why)}" if why is not None else ""
            out.append(f"On {trace.faces.place(step.where)}, {step.hook}: {step.says}{decided}.")
    return out


def _is_netfilters(step: Step) -> bool:
    """Translated by a rule, and not by a program."""
    return step.because is not None and step.because.key[1] == "conntrack"


def _seen(trace: Trace) -> list[str]:
    """Which address the answerer saw, and whether it is the client's own."""
    sent = next((s.before.src for s in trace.steps if s.what == "send"), "")
    if not trace.source_seen:
        return []
    own = "its own address" if trace.source_seen == sent else f"not its own, {sent}: somebody translated it"
    return [f"{trace.answered_by or trace.destination} saw the client as {trace.source_seen}: {own}."]


def _rests_on(trace: Trace, world: World, question: Question) -> list[str]:
    found = repair.keystone(trace.attempt, world, question)
    if found is None:
        return []
    step, outcome = found
    assert step.because is not None
    where = trace.faces.place(step.where)
    row = f"{step.because.text}{_author(trace, step.because)}"
    return [f"It rests on this row of {where}: {row}. Without it: {outcome}."]


def _decided(trace: Trace, step: Step, world: World, entries: Sequence[Entry]) -> list[str]:
    leg = _leg_of(trace, step)
    lines = [f"The {leg.name} ended on {trace.faces.place(step.where)}{_at(step)}: {step.says}."]
    if step.because is not None:
        lines.append(f"What decided: {step.because.text}{_author(trace, step.because)}.")
        lines += _rule_reason(step, world)
    else:
        lines += _missing(trace, step, world, entries)
    return [*lines, *_unheard(trace, step, world), *_by_vlan(trace, world)]


def _by_vlan(trace: Trace, world: World) -> list[str]:
    """A VLAN says no without a word."""
    said = apart(trace, world)
    return [f"On {trace.faces.place(said[0])}, {said[1]}{_author(trace, said[2])}."] if said is not None else []


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


def _author(trace: Trace, because: Because) -> str:
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
            row = f"{trace.faces.place(entry.key[0])} once had: {repair.row_text(entry.key, entry.before)}"
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


def _flip(trace: Trace, world: World, journal: Journal, question: Question) -> list[str]:
    found = repair.search(world, journal, question, trace.attempt)
    if not found:
        return ["No change of one to three rows that we know of makes it connect."]
    places = [f"on {trace.faces.place(r.where)}: {r.says}" if r.where else r.says for r in found]
    return ["The smallest change that makes it connect (tried on a copy): " + "; then ".join(places) + "."]
