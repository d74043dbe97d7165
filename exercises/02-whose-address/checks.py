"""Each answer is held against a trace in the cluster as the learner found it."""

from k8slearn.grading.checks import Work, check, hint


def owner(work: Work, address: str | None) -> str:
    """Whose address this is, in the words of the choices."""
    pod = work.at(work.started).get("pod", work.variant["client"])["status"]["podIP"]
    return "the Pod's" if address == pod else "its node's"


@check("database", asks="You know whose address a server outside the cluster sees.")
def database(work: Work) -> None:
    names = work.variant
    seen = work.at(work.started).trace(f"default/{names['client']}", f"outside:{names['database']}", 5432).source_seen
    work.chose("database", owner(work, seen), "Ask a trace: source_seen.")


@check("between", asks="You know whose address another Pod sees.")
def between(work: Work) -> None:
    names = work.variant
    seen = work.at(work.started).trace(f"default/{names['client']}", f"default/{names['server']}", names["port"])
    work.chose("between", owner(work, seen.source_seen), "Law 3: who may translate between Pods?")


@check("way-in", asks="You know whether a machine outside the cluster reaches a Pod by its address.")
def way_in(work: Work) -> None:
    names = work.variant
    found = work.at(work.started).trace(f"outside:{names['database']}", f"default/{names['server']}", names["port"])
    work.chose("way-in", found.outcome, "Which row does the database have, and which the router?")


@hint
def addresses(work: Work) -> str:
    """The addresses that a log could name, as things stand."""
    pods = [
        f"{work.variant[w]} {work.cluster.get('pod', work.variant[w])['status']['podIP']}" for w in ("client", "server")
    ]
    nodes = [f"{n['metadata']['name']} {n['status']['addresses'][0]['address']}" for n in work.cluster.get("nodes")]
    return f"Whose address is whose: {', '.join(pods + nodes)}. In which network's range are the Pods' addresses?"
