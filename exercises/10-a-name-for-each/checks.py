"""The names are looked up from a Pod, and each must lead to its own Pod and to no other."""

from k8slearn.errors import Refused
from k8slearn.grading.checks import Failed, Work, check, hint


def members(work: Work) -> list[str]:
    """The Pods' names, as they should be."""
    return [f"{work.variant['db']}-{number}" for number in range(work.variant["copies"])]


def address(work: Work, name: str) -> str:
    try:
        return str(work.cluster.get("pod", name)["status"].get("podIP"))
    except Refused:
        raise Failed(f"There is no Pod {name}.", "Which object gives its Pods numbers for names?") from None


def found(work: Work, name: str) -> set[str]:
    return set(work.cluster.lookup(f"default/{work.variant['client']}", name).addresses)


@check("hosts", points=2, asks="Each of the Pods is found by a name of its own.")
def hosts(work: Work) -> None:
    for member in members(work):
        own, name = address(work, member), f"{member}.{work.variant['service']}"
        if found(work, name) != {own}:
            said = f"{name} leads to {', '.join(sorted(found(work, name))) or 'nobody'}, and {member} has {own}."
            raise Failed(said, "What ties a Pod's host name to a Service?")


@check("all", asks="The Service's name leads to the Pods themselves, all of them.")
def everybody(work: Work) -> None:
    service, pods = work.variant["service"], work.cluster.get("pods")
    own = {p["status"].get("podIP") for p in pods if p["metadata"]["name"].startswith(f"{work.variant['db']}-")}
    if not own or found(work, service) != own:
        said = f"{service} leads to {', '.join(sorted(found(work, service))) or 'nobody'}."
        raise Failed(said, "Whose address does a name have whose Service has an address?")


@check("srv", asks="The port has a name.")
def srv(work: Work) -> None:
    names = work.variant
    asked = f"_{names['named']}._tcp.{names['service']}.default.svc.cluster.local"
    said = work.cluster.pod(names["client"]).run(f"dig +noall +answer {asked} SRV").stdout
    if f" {names['port']} " not in said:
        raise Failed(f"There is no SRV record {asked} that says {names['port']}.", "Which field names a port?")


@check("reached", asks="Whoever is found is reached.")
def reached(work: Work) -> None:
    names, pods = work.variant, work.cluster.get("pods")
    own = [p["metadata"]["name"] for p in pods if p["metadata"]["name"].startswith(f"{names['db']}-")]
    if not own:
        raise Failed(f"There is no Pod whose name begins with {names['db']}-.")
    for name in own:
        work.connects(f"default/{names['client']}", f"default/{name}", names["port"], hint="Where does it listen?")


@check("copies", asks="There are as many as were asked for.")
def copies(work: Work) -> None:
    pods = work.cluster.get("pods")
    own = [p["metadata"]["name"] for p in pods if p["metadata"]["name"].startswith(f"{work.variant['db']}-")]
    if len(own) != work.variant["copies"]:
        raise Failed(
            f"There are {len(own)} Pods of {work.variant['db']}.", "Time must pass, and `replicas` must say it."
        )


@hint
def now(work: Work) -> str:
    """What the names lead to, as things stand."""
    service = work.variant["service"]
    names = [service, *(f"{member}.{service}" for member in members(work))]
    told = [f"{name} leads to {', '.join(sorted(found(work, name))) or 'nobody'}" for name in names]
    return f"As things stand, seen from {work.variant['client']}: {'; '.join(told)}."
