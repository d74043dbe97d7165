"""Asked are packets, now and after the developers have allowed everything."""

from k8slearn.grading.checks import Failed, Work, check, hint

EVERYTHING = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: everything, namespace: "%s"}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{}]}
"""


def pod(work: Work, space: str, name: str) -> str:
    return f"{work.variant[space]}/{work.variant[name]}"


@check("denied", points=2, asks="Nobody else of that zone gets in, whatever the developers allow.")
def denied(work: Work) -> None:
    names = work.variant
    for to in ("open", "shut"):
        work.blocked(pod(work, "watch", "guest"), pod(work, "team", to), names["port"])
    later = work.cluster.at(work.cluster.journal.revision)
    later.apply(EVERYTHING % names["team"])
    for to in ("open", "shut"):
        source = pod(work, "watch", "guest")
        if later.trace(source, pod(work, "team", to), names["port"]).outcome == "connected":
            said = f"When the developers allow everything, {source} reaches {pod(work, 'team', to)}."
            raise Failed(said, "Which tier is asked before the developers' policies?")


@check("passed", points=2, asks="For the probe the developers decide.")
def passed(work: Work) -> None:
    names = work.variant
    work.connects(pod(work, "watch", "probe"), pod(work, "team", "open"), names["port"], hint="Which rule fits first?")
    work.blocked(
        pod(work, "watch", "probe"), pod(work, "team", "shut"), names["port"], hint="Who decides after Accept?"
    )


@check("others", asks="Everything else stays as it is.")
def others(work: Work) -> None:
    names = work.variant
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    work.connects(pod(work, "team", "open"), pod(work, "team", "shut"), names["port"])
    work.connects(pod(work, "team", "shut"), pod(work, "team", "open"), names["port"])
    for to in ("probe", "guest"):
        work.connects(
            pod(work, "team", "open"), pod(work, "watch", to), names["port"], hint="Which direction is denied?"
        )
    before, now = (c.get("networkpolicies", namespace=names["team"]) for c in (work.at(work.started), work.cluster))
    if [p["spec"] for p in before] != [p["spec"] for p in now]:
        raise Failed("The developers' policies are not what they were; leave them alone.")


@hint
def now(work: Work) -> str:
    """Who of that zone gets in as things stand."""
    told = []
    for who in ("probe", "guest"):
        for to in ("open", "shut"):
            outcome = work.trace(pod(work, "watch", who), pod(work, "team", to), work.variant["port"]).outcome
            told.append(f"{pod(work, 'watch', who)} to {pod(work, 'team', to)} {outcome}")
    return f"As things stand: {', '.join(told)}. Which of these four is to change?"
