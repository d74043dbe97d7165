"""Each prediction is held against the cluster as the learner found it."""

from k8slearn.grading.checks import Failed, Work, check, hint


@check("ttl", asks="You know how many routers stand between two nodes' Pods.")
def ttl(work: Work) -> None:
    names = work.variant
    found = work.at(work.started).trace(f"default/{names['client']}", f"default/{names['server']}", names["port"])
    arrived = next(step.before.ttl for step in found.steps if step.what == "deliver")
    work.chose("ttl", arrived, "Who forwards? The switch does not.")


@check("row", asks="You know where kubenet's work ends.")
def row(work: Work) -> None:
    work.chose("row", "the router", "`ip route` on the nodes and on the router.")


@check("node", asks="You know whom kubenet hides, and from whom.")
def node(work: Work) -> None:
    names = work.variant
    found = work.at(work.started)
    seen = found.trace(f"default/{names['client']}", f"node:{names['place.far']}", 10250).source_seen
    own = found.get("pod", names["client"])["status"]["podIP"]
    right = "the Pod's" if seen == own else f"the address of {names['place.near']}"
    work.chose("node", right, "Which range does the rule spare?")


@check("flag", asks="You know what became of the flag.")
def flag(work: Work) -> None:
    work.chose("flag", "it does not start", "kubenet was part of dockershim. When did that go?")


@check("foretold", asks="You answered before you did anything to the cluster.")
def foretold(work: Work) -> None:
    touched = work.inputs[0].revision if work.inputs else None
    late = [a.question for a in work.answers.values() if touched is not None and a.revision > touched]
    if late or not work.answers:
        raise Failed(
            f"{', '.join(late) or 'No answer'} came before the cluster was touched: reset, predict, then send."
        )


@hint
def tables(work: Work) -> str:
    """The rows and the rule that decide, as things stand."""
    near, router = work.cluster.node(work.variant["place.near"]), work.cluster.router()
    rules = near.run("iptables -t nat -S POSTROUTING").stdout.splitlines()
    spared = next((rule.split("! -d ")[1].split()[0] for rule in rules if "kubenet" in rule), "nothing")
    counts = [len(one.run("ip route").stdout.strip().splitlines()) for one in (near, router)]
    rows = f"{work.variant['place.near']} has {counts[0]} rows, the router {counts[1]}"
    return f"As things stand {rows}; kubenet's rule spares {spared}, and the nodes are in {work.variant['nodes.cidr']}."
