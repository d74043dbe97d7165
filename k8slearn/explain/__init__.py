"""A trace in sentences: what happened, what decided, who wrote that and why, and the smallest change that flips it.

Everything said here is read off the trace, the journal and the world; nothing is guessed. The change is found by
trying: `repair` types it on a copy of the cluster, asks again, and hands out only what then really came out
differently.

Left out: more than one change; `trace.repairs()` has them all.
"""

from __future__ import annotations

from fractions import Fraction

from k8slearn import named, refusals
from k8slearn.engine import Engine
from k8slearn.explain.ended import author, ended
from k8slearn.journal import Key, Remove, World, drive
from k8slearn.linux import socket
from k8slearn.repair import Edit, Question, services, smallest
from k8slearn.repair.edit import Case
from k8slearn.trace import ENDS, Attempt, Leg, Step, Trace

PLACES = ("send", "receive", "route", "bridge", "deliver", "rule", *ENDS)
OUTCOMES = {
    "connected": "the answer arrived",
    "refused": "somebody said no (ECONNREFUSED)",
    "unreachable": "the client was told that there is no way",
    "timeout": "the client heard nothing for 4.5 seconds",
    "unresolved": "the name has no address here",
}
"""Each outcome in the words of the client."""
CUT_OFF = "the connection stood, and the answer did not arrive"
"""A timeout of a client that had a connection."""
ASKED = "Which change would make it connect? That is what this exercise asks you."
MOST = 6
"""So many fates are named one by one."""
FEW = 3
"""So many other pairs are."""


def explain(trace: Trace, engine: Engine, question: Question, hidden: int = 0) -> str:
    """The whole explanation, one fact a line. `engine` stands where the trace was made.

    Where an exercise asks the learner to mend, `hidden` is the revision at which it began: no change is proposed
    then, and what was removed before it is not told.
    """
    world, lines = engine.world, [_headline(trace)]
    if trace.lookup is not None:
        lines += named.told(trace.lookup)
    if question.address is None:
        return "\n".join([*lines, *_unresolved(trace, world)])
    lines += [*_way(trace), *_wrapped(trace)]
    step = trace.attempt.decisive
    if trace.outcome == "connected":
        lines += [*_translations(trace), *_seen(trace), *_chance(trace), *_rests_on(trace, world, question)]
        lines += [*refusals.unenforced(world, trace), *_proxied(trace)]
    elif step is not None:
        told = engine.journal.entries[hidden : trace.revision]
        found = refusals.of_step(world, step) if refusals.by_policy(step) else _address(engine, question, trace)
        lines += [*ended(trace, step, world, told), *found, *_chance(trace)]
        lines += [ASKED] if hidden else _flip(smallest(engine, question))
    return "\n".join(lines)


def _address(engine: Engine, question: Question, trace: Trace) -> tuple[str, ...]:
    return services.finding(Case(engine, question, trace.attempt, Fraction(0))).lines


def _proxied(trace: Trace) -> list[str]:
    """Who answered may only carry requests: what it said to this one, and how to ask for another."""
    return [
        f"A reverse proxy answered: {one.status}, to a request that names no host. What becomes of one for a host and "
        f'a path, cluster.request("{trace.source}", "http://HOST/PATH", ...) asks.'
        for one in trace.attempt.served[-1:]
    ]


def _unresolved(trace: Trace, world: World) -> list[str]:
    name, namespace = trace.destination, trace.source.partition("/")[0] if "/" in trace.source else "default"
    first, _, rest = name.rstrip(".").partition(".")
    path = f"{rest.partition('.')[0] or namespace}/{first}"
    service = world.get(("api", "services", path))
    if _served(trace, world):
        return []
    lines = [f"{name} is a name, and no DNS server runs in this cluster: nobody can say which address it has."]
    if service is not None and service["spec"].get("clusterIP") not in (None, "", "None"):
        lines.append(f"You can ask without a name: svc:{path}, or its cluster IP {service['spec']['clusterIP']}.")
    return lines


def _served(trace: Trace, world: World) -> bool:
    """Did anybody answer, or is there a Service at the address that was asked?"""
    if trace.lookup is None:
        return False
    services = world.table("api", "services").values()
    addresses = {a for s in services for a in s["spec"].get("clusterIPs") or (s["spec"].get("clusterIP"),)}
    return any(sent.answer is not None or sent.server in addresses for sent in trace.lookup.queries)


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
    stood = trace.outcome == "timeout" and trace.attempt.handshake is not None
    return f"{what} ({trace.protocol}): {trace.outcome}{who}: {CUT_OFF if stood else OUTCOMES[trace.outcome]}."


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
    why = f" It knew where to by {step.because.text}{author(trace, step.because)}." if step.because is not None else ""
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
            decided = f" by {why.text}{author(trace, why)}" if why is not None else ""
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
    """The first route of the way without which it would end otherwise, and how it would end."""
    seen: set[Key] = set()
    for step in trace.attempt.steps:
        why = step.because
        if why is None or why.key[1] != "route" or why.key in seen or why.text.startswith("default"):
            continue
        seen.add(why.key)
        outcome = _without(world, question, why.key).ending.outcome
        if outcome != "connected":
            row = f"{why.text}{author(trace, why)}"
            return [f"It rests on this row of {trace.faces.place(step.where)}: {row}. Without it: {outcome}."]
    return []


def _without(world: World, question: Question, key: Key) -> Attempt:
    """The attempt without a row, on a fork that is thrown away."""
    fork = world.fork()
    fork.apply(Remove(key))
    assert question.address is not None
    to = (question.netns, question.address, question.port, question.proto)
    return drive(socket.connect(fork, *to, **question.asking), fork.apply)


def _flip(edit: Edit | None) -> list[str]:
    if edit is None:
        return ["No change of one to three commands that we know of makes it connect."]
    others = [("open", edit.opens), ("close", edit.closes)]
    more = " and ".join(f"{word} {_pairs(pairs)}" for word, pairs in others if pairs)
    besides = f" It would {more}." if more else ""
    return [f"The smallest change that makes it connect (tried on a copy): {edit.says}.{besides}"]


def _pairs(pairs: tuple[tuple[str, str], ...]) -> str:
    named = ", ".join(f"{source} -> {to}" for source, to in pairs[:FEW])
    count = f"{len(pairs)} other pair{'s' if len(pairs) > 1 else ''} of pods"
    return f"{count} ({named}{', ...' if len(pairs) > FEW else ''})"
