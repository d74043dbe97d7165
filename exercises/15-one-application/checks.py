"""What the application does is asked from the Pods that may, and from those that may not."""

from k8slearn.grading.checks import Failed, Work, check, hint


def behind(work: Work) -> list[str]:
    """The ready Pods behind the Service, as NAMESPACE/NAME."""
    names = work.variant
    pieces = [
        p
        for p in work.cluster.get("endpointslices")
        if p["metadata"]["labels"].get("kubernetes.io/service-name") == names["api"]
    ]
    ends = [end for piece in pieces for end in piece.get("endpoints") or ()]
    return [f"default/{end['targetRef']['name']}" for end in ends if end["conditions"].get("ready")]


def service(work: Work) -> dict:
    found = [s for s in work.cluster.get("services") if s["metadata"]["name"] == work.variant["api"]]
    if not found:
        raise Failed(f"There is no Service {work.variant['api']} in the namespace default yet.")
    return found[0]


@check("front", points=2, asks="Whoever may reaches the application by its name.")
def front(work: Work) -> None:
    hint = "The name, the Service, the Pod, the policy: which of them ends it? A policy sees the Pod's port."
    work.connects(f"default/{work.variant['front']}", work.variant["api"], 80, hint=hint)


@check("copies", asks="Two Pods stand behind it, and somebody replaces them.")
def copies(work: Work) -> None:
    service(work)
    pods = behind(work)
    if len(pods) != 2:
        raise Failed(f"{len(pods)} ready Pods stand behind the Service.", "How many copies, and does time pass?")
    for name in pods:
        owners = work.cluster.get("pod", name.partition("/")[2])["metadata"].get("ownerReferences") or ()
        if not owners:
            raise Failed(f"Nobody replaces {name} when it dies.", "Which object makes Pods from a template?")


@check("guest", points=2, asks="Whoever may not is kept away, by the name and by the Pods' addresses.")
def guest(work: Work) -> None:
    service(work)
    source = f"default/{work.variant['guest']}"
    for name in behind(work):
        work.blocked(source, name, work.variant["port"], hint="Who may ask these Pods?")
    work.blocked(source, f"svc:default/{work.variant['api']}", 80, hint="Who may ask these Pods?")


@check("others", asks="Nothing else is forbidden.")
def others(work: Work) -> None:
    service(work)
    one, other = f"default/{work.variant['front']}", f"default/{work.variant['guest']}"
    for source, destination in ((one, other), (other, one)):
        work.connects(source, destination, work.variant["other"], hint="Which Pods does your policy isolate?")
        if not work.cluster.lookup(source, work.variant["api"]).addresses:
            raise Failed(f"{source} looks up no names any more.", "Which direction does your policy speak of?")


@check("inside", asks="There is no way in from outside the cluster.")
def inside(work: Work) -> None:
    spec = service(work)["spec"]
    if any("nodePort" in port for port in spec["ports"]) or spec.get("externalIPs"):
        raise Failed("The Service has a port on every node.", "Which type of Service has an address inside alone?")


@hint
def now(work: Work) -> str:
    """Who stands behind the Service, and what each of the two sees, as things stand."""
    names = work.variant
    seen = [f"{names[w]} {work.trace(f'default/{names[w]}', names['api'], 80).outcome}" for w in ("front", "guest")]
    return (
        f"As things stand {len(behind(work))} ready Pods stand behind {names['api']}; by its name: {', '.join(seen)}."
    )
