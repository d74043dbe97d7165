"""The policy's text, as the learner found it, says what the packets have to do."""

from itertools import permutations

from k8slearn.grading.checks import Failed, Work, check, hint


def pod(work: Work, which: str) -> str:
    return f"default/{work.variant[which]}"


def pairs(work: Work) -> list[tuple[str, str]]:
    return list(permutations([pod(work, which) for which in ("client", "stranger", "server", "neighbour")], 2))


def text_allows(work: Work, source: str, to: str) -> bool:
    """What the policies said before anybody changed them."""
    return work.at(work.started).policy_allows(source, to, work.variant["port"])


@check("who", asks="You know who enforces policies here.")
def who(work: Work) -> None:
    work.chose("who", "nobody", "Which DaemonSets are there, and what do they do?")


@check("kept-out", points=2, asks="Whom the policy refuses does not connect.")
def kept_out(work: Work) -> None:
    for source, to in pairs(work):
        if not text_allows(work, source, to):
            work.blocked(source, to, work.variant["port"], hint="On which node do all packets for this Pod come by?")
    work.blocked(pod(work, "client"), pod(work, "server"), 8081, "UDP", hint="The policy names a port and means TCP.")
    before, now = (c.get("networkpolicies") for c in (work.at(work.started), work.cluster))
    if [p["spec"] for p in before if p["spec"] not in [q["spec"] for q in now]]:
        raise Failed(f"The policy {work.variant['server']}-in is not what it was; leave it alone.")


@check("let-in", points=2, asks="Whom it allows connects, and what it is not about stays as it is.")
def let_in(work: Work) -> None:
    names = work.variant
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    work.connects(
        pod(work, "client"), f"svc:{pod(work, 'server')}", names["outer"], hint="Which port is left after DNAT?"
    )
    for source, to in pairs(work):
        if text_allows(work, source, to):
            work.connects(source, to, names["port"], hint="Are answers let through, too?")
    work.connects(f"node:{names['place.far']}", pod(work, "server"), names["port"], hint="The kubelet has to probe.")


@hint
def now(work: Work) -> str:
    """Where the packets and the policy's text disagree, as things stand."""
    told = []
    for source, to in pairs(work):
        outcome, allowed = work.trace(source, to, work.variant["port"]).outcome, text_allows(work, source, to)
        if (outcome == "connected") != allowed:
            told.append(f"{source} to {to} is {'allowed' if allowed else 'refused'} and comes to: {outcome}")
    return f"Where the policy and the packets disagree as things stand: {'; '.join(told) or 'nowhere, on this port'}."
