"""Asked are packets only: however the policies are cut, the same pairs connect and the same pairs do not."""

from itertools import permutations

from k8slearn.grading.checks import Failed, Work, check, hint


def everybody(work: Work) -> list[str]:
    names = work.variant
    mine = [f"default/{names[who]}" for who in ("server", "third", "client")]
    return [*mine, f"{names['team']}/{names['client']}", f"{names['team']}/guest"]


@check("let-in", points=2, asks="The right client reaches the server, at its address and through its Service.")
def let_in(work: Work) -> None:
    names = work.variant
    source = f"{names['team']}/{names['client']}"
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    work.connects(source, f"default/{names['server']}", names["port"], hint="Which port does a policy mean?")
    work.connects(source, f"svc:default/{names['server']}", names["outer"])


@check("kept-out", points=2, asks="Nobody else reaches the server.")
def kept_out(work: Work) -> None:
    names = work.variant
    for source in everybody(work)[1:]:
        if source != f"{names['team']}/{names['client']}":
            work.blocked(
                source, f"default/{names['server']}", names["port"], hint="Whom does each entry of `from` mean?"
            )


@check("others", points=2, asks="Everything else connects as before.")
def others(work: Work) -> None:
    names = work.variant
    for source, to in permutations(everybody(work), 2):
        if to != f"default/{names['server']}":
            work.connects(source, to, names["port"], hint="Which Pods does your policy select?")


@hint
def now(work: Work) -> str:
    """Who reaches the server as things stand, and how many policies there are."""
    names = work.variant
    to, policies = f"default/{names['server']}", work.cluster.get("networkpolicies", namespace="default")
    inside = [pod for pod in everybody(work)[1:] if work.trace(pod, to, names["port"]).outcome == "connected"]
    found = ", ".join(inside) or "nobody"
    return f"As things stand {len(policies)} policies are in `default`, and these reach {names['server']}: {found}."
