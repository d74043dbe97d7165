"""What an address is in this cluster, and what of an object's YAML keeps it from answering.

A packet knows numbers; a person wrote a Service. When a connection fails, the deciding row often says only the last
thing that happened ("no route to 10.107.69.185"). Here the address is looked up in the API: whose it is, whether it
has such a port, which pods stand behind it and which of them are Ready. Where a line of YAML (or another question)
would mend it, that is a `Proposal`; whether it really does is tried by the caller.

Left out: EndpointSlices that a person wrote, traffic policies.
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import Any, NamedTuple

from k8slearn.api import conditions, selectors
from k8slearn.components import Settings, ranges
from k8slearn.journal import World
from k8slearn.linux import ip
from k8slearn.linux.listen import place as place_of
from k8slearn.linux.rows import Socket
from k8slearn.packet import Packet
from k8slearn.trace import Step

Obj = dict[str, Any]
NODE_PORTS = range(30000, 32768)


class Proposal(NamedTuple):
    """A change in words; `command` is kubectl's, or `port` and `protocol` are what to ask instead."""

    says: str
    command: str = ""
    address: str = ""
    port: int = 0
    protocol: str = ""


class Finding(NamedTuple):
    """What the address is, in sentences, and what would mend it (None: nothing that we know of)."""

    lines: tuple[str, ...] = ()
    proposal: Proposal | None = None


class Asked(NamedTuple):
    """Which address was asked for, and where it ended."""

    address: str
    port: int
    protocol: str
    """``TCP`` or ``UDP``."""
    end: Step | None
    inside: bool
    """Did a machine of the cluster ask?"""
    node: str
    """The scope of the machine whose rules met the packet first: ``node:node-1``."""
    translated: bool
    """Did any machine on the way change the destination?"""


def look_up(world: World, asked: Asked) -> Finding:
    """Whose address it is, and what is wrong with that. Nothing where nothing is."""
    settings: Settings = world.get(("cluster", "settings", ""))
    service = _service_of(world, asked.address)
    if service is not None:
        return _of_service(world, asked, service)
    both = _of_two_ranges(settings, asked.address)
    if both:
        return Finding((both,))
    for name, both in (("cluster", settings.service_cidr), ("pod", settings.pod_cidr), ("node", settings.node_cidr)):
        for cidr in ranges(both):
            if ip.within(asked.address, cidr):
                return _IN[name](world, asked, cidr)
    return Finding() if _has(world, asked.address) else Finding((f"No machine here has {asked.address}.",))


def _of_two_ranges(settings: Settings, address: str) -> str:
    """Ranges that overlap have one address mean two machines."""
    subnet = settings.subnet_of(address) if settings.topology.allow_overlap else None
    cidrs = {"pod network": settings.pod_cidr, "cluster network": settings.service_cidr}
    found = ((n, cidr) for n, both in cidrs.items() for cidr in ranges(both) if subnet and ip.within(address, cidr))
    name, cidr = next(found, ("", ""))
    if subnet is None or not name:
        return ""
    own = subnet.cidr6 if ":" in address else subnet.cidr
    where = f"the network {subnet.name} {own}" if subnet.name else f"the node network {own}"
    return (
        f"The ranges overlap: {address} lies in the {name} {cidr} and in {where} as well, so each machine sends "
        "the packet to the one that its own routing table knows."
    )


def _has(world: World, address: str) -> bool:
    return any(row.address == address for scope in world.scopes("addr") for row in world.table(scope, "addr").values())


def _ruled(asked: Asked) -> bool:
    """Was it a rule that ended it (kube-proxy's nftables have some for addresses of the range and for other ports)?"""
    return asked.end is not None and bool(asked.end.hook)


def _in_cluster_network(world: World, asked: Asked, cidr: str) -> Finding:
    rule = "the rules drop what is for nobody" if _ruled(asked) else "no rule anywhere is for it"
    said = f"{asked.address} lies in the cluster network {cidr}, but no Service has it: {rule}."
    return Finding((said,))


def _in_pod_network(world: World, asked: Asked, cidr: str) -> Finding:
    if _has(world, asked.address):
        return Finding()
    owner = next(
        (n for n, o in world.table("api", "pods").items() if asked.address in _ips(o)),
        "",
    )
    if owner:
        field = "status.podIPs" if ":" in asked.address else "status.podIP"
        return Finding((f"{asked.address} is the address of Pod {owner} ({field}), but no interface has it.",))
    node = next((n for n, o in world.table("api", "nodes").items() if _within(asked.address, o)), None)
    whose = f"that is free on {node}" if node else "in no node's part of it"
    return Finding((f"No pod has {asked.address}: it is an address of the pod network {cidr} {whose}.",))


def _ips(pod: Obj) -> list[str]:
    status = pod.get("status") or {}
    return [status.get("podIP", ""), *(each["ip"] for each in status.get("podIPs") or ())]


def _within(address: str, node: Obj) -> bool:
    spec = node.get("spec") or {}
    return any(ip.within(address, cidr) for cidr in spec.get("podCIDRs") or [spec.get("podCIDR") or "0.0.0.0/32"])


def _in_node_network(world: World, asked: Asked, cidr: str) -> Finding:
    if not _has(world, asked.address):
        return Finding((f"No machine on the node network {cidr} has {asked.address}.",))
    if asked.port not in NODE_PORTS or asked.end is None or asked.end.what != "refuse":
        return Finding()
    said = f"No Service has the node port {asked.port}/{asked.protocol}."
    doors = sorted(_node_ports(world), key=lambda door: (abs(door[1] - asked.port), door))
    if not doors:
        return Finding((said,))
    name, port, protocol = doors[0]
    return Finding((said,), Proposal(f"ask for port {port}, the node port of {name}", "", "", port, protocol))


_IN = {"cluster": _in_cluster_network, "pod": _in_pod_network, "node": _in_node_network}


def _node_ports(world: World) -> list[tuple[str, int, str]]:
    rows = sorted(world.table("api", "services").items(), key=lambda row: str(row[0]))
    return [
        (f"Service {name}", port["nodePort"], port["protocol"])
        for name, service in rows
        for port in service["spec"].get("ports") or ()
        if port.get("nodePort")
    ]


# -- a Service ---------------------------------------------------------------------------------------------------------


def _service_of(world: World, address: str) -> Obj | None:
    services = world.table("api", "services").values()
    return next(
        (s for s in services if address in (s["spec"].get("clusterIPs") or (s["spec"].get("clusterIP"),))), None
    )


def _name(obj: Obj) -> str:
    return f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"


def _of_service(world: World, asked: Asked, service: Obj) -> Finding:
    name, ports = _name(service), service["spec"].get("ports") or []
    found = [n for n, p in enumerate(ports) if (p["port"], p["protocol"]) == (asked.port, asked.protocol)]
    if not asked.inside:
        return _from_outside(world, asked, service)
    if not found:
        return _other_port(asked, name, ports)
    place, port = found[0], ports[found[0]]
    pods = _selected(world, service)
    if pods is None:
        return Finding((f"Service {name} has no selector: its EndpointSlices are written by hand.",))
    if not pods:
        return _no_pod(world, service)
    if not any(_target(pod, port) for pod in pods):
        return _no_such_name(service, place, port, pods)
    if not any(conditions.holds(pod, "Ready") for pod in pods):
        return _none_ready(name, pods)
    return _nobody_listens(world, asked, service, place, port)


def _from_outside(world: World, asked: Asked, service: Obj) -> Finding:
    said = (
        f"{asked.address} is the cluster IP of Service {_name(service)}: it exists in the rules of the "
        "cluster's nodes only, and no machine outside has a way to it."
    )
    door = next((p for p in service["spec"].get("ports") or () if p.get("nodePort")), None)
    if door is None:
        return Finding((said, "From outside, a Service is reached through a node port (spec.type: NodePort)."))
    settings: Settings = world.get(("cluster", "settings", ""))
    own = settings.node_addresses(settings.nodes[0][0])
    address = own[-1] if ":" in asked.address else own[0]
    says = f"ask for its node port, {place_of(address, door['nodePort'])}"
    return Finding((said,), Proposal(says, "", address, door["nodePort"], door["protocol"]))


def _other_port(asked: Asked, name: str, ports: list[Obj]) -> Finding:
    has = ", ".join(f"{p['port']}/{p['protocol']}" for p in ports)
    said = f"{asked.address} is the cluster IP of Service {name}, whose ports are {has}: " + (
        f"the rules refuse whatever else is asked of it, as {asked.port}/{asked.protocol} is."
        if _ruled(asked)
        else f"there is no rule for {asked.port}/{asked.protocol}, so the packet is sent on like one to any address "
        "that nobody here knows."
    )
    if not ports:
        return Finding((said,))
    near = next((p for p in ports if p["port"] == asked.port), ports[0])
    over = "" if near["protocol"] == asked.protocol else f" over {near['protocol']}"
    return Finding((said,), Proposal(f"ask for port {near['port']}{over}", "", "", near["port"], near["protocol"]))


def _selected(world: World, service: Obj) -> list[Obj] | None:
    """The pods that a Service's selector matches; None where it has no selector."""
    selector = service["spec"].get("selector")
    if not selector:
        return None
    pods = _pods(world, service)
    return [pod for pod in pods if selectors.equal(selector, selectors.labels(pod))]


def _pods(world: World, service: Obj) -> list[Obj]:
    namespace = service["metadata"]["namespace"]
    rows = sorted(world.table("api", "pods").items(), key=lambda row: str(row[0]))
    return [pod for name, pod in rows if str(name).startswith(f"{namespace}/")]


def _no_pod(world: World, service: Obj) -> Finding:
    selector, namespace = dict(service["spec"]["selector"]), service["metadata"]["namespace"]
    wanted = ",".join(f"{k}={v}" for k, v in selector.items())
    carried = sorted({f"{k}={v}" for pod in _pods(world, service) for k, v in selectors.labels(pod).items()})
    carried = [label for label in carried if not label.startswith("pod-template-hash=")]
    some = f"Pods there carry {', '.join(carried[:8])}." if carried else "No pod there carries a label."
    said = f"Service {_name(service)} selects pods with {wanted}, and no pod of namespace {namespace} is one."
    near = [_alike(k, v, carried) for k, v in selector.items()]
    if "" in near:
        return Finding((said, some))
    changed = {label.partition("=")[0]: label.partition("=")[2] for label in near}
    patched = {**dict.fromkeys(selector), **changed}
    text = ", ".join(f"{k}: {v}" for k, v in changed.items())
    return Finding((said, some), _patch(service, f"spec.selector: {{{text}}}", {"selector": patched}))


def _alike(key: str, value: str, carried: list[str]) -> str:
    """A label that somebody may have meant: the same key and nearly the same value, or the other way round."""
    values = [label.partition("=")[2] for label in carried if label.startswith(f"{key}=")]
    found = get_close_matches(value, values, n=1)
    keys = [label for label in carried if label.endswith(f"={value}")]
    return f"{key}={found[0]}" if found else (keys[0] if keys else "")


def _target(pod: Obj, port: Obj) -> int:
    """The number of the port that a Service's port means in this pod; 0 where it has no port of that name."""
    wanted = port.get("targetPort", port["port"])
    if isinstance(wanted, int):
        return wanted
    named = (p for c in pod["spec"]["containers"] for p in c.get("ports") or () if p.get("name") == wanted)
    return next((int(p["containerPort"]) for p in named), 0)


def _no_such_name(service: Obj, place: int, port: Obj, pods: list[Obj]) -> Finding:
    having = [p for pod in pods[:1] for c in pod["spec"]["containers"] for p in c.get("ports") or ()]
    listed = ", ".join(
        f"{p['name']} ({p['containerPort']})" if p.get("name") else str(p["containerPort"]) for p in having
    )
    said = (
        f"Service {_name(service)} sends to the container port that is called {port['targetPort']!r} "
        f"(spec.ports[{place}].targetPort), and none of its pods has one: {listed or 'no port is declared'}."
    )
    target = next((p.get("name") or p["containerPort"] for p in having if p["protocol"] == port["protocol"]), None)
    return Finding((said,), _retarget(service, place, port, target) if target else None)


def _none_ready(name: str, pods: list[Obj]) -> Finding:
    why = "; ".join(f"{_name(pod)} is not Ready ({_why(pod)})" for pod in pods[:3])
    return Finding(
        (f"Service {name} has pods, but sends only to those that are Ready: {why}. `kubectl describe pod` says more.",)
    )


def _why(pod: Obj) -> str:
    status = pod.get("status") or {}
    messages = [c["message"] for c in status.get("conditions") or () if c.get("status") == "False" and c.get("message")]
    return str(messages[0]) if messages else str(status.get("phase", "Pending"))


def _nobody_listens(world: World, asked: Asked, service: Obj, place: int, port: Obj) -> Finding:
    """The packet reached an endpoint, and no process there has the port."""
    step = asked.end
    if not asked.translated and (step is None or "KUBE" not in step.says):
        return _untranslated(world, asked, _name(service))
    if step is None or step.what != "refuse":
        return Finding()
    if "ACK" in step.before.flags:
        return _strange_answer(asked, step.before)
    rows: list[Socket] = list(world.table(step.where, "socket").values())
    mine = sorted({r.port for r in rows if r.proto == asked.protocol.lower() and r.answers_as.count("/") == 1})
    target = port.get("targetPort", port["port"])
    said = f"Service {_name(service)} sends to port {target} of its pods (spec.ports[{place}].targetPort)"
    if not mine:
        return Finding((f"{said}, and this pod listens nowhere.",))
    listening = ", ".join(map(str, mine))
    return Finding((f"{said}; this pod listens on {listening}.",), _retarget(service, place, port, mine[0]))


def _strange_answer(asked: Asked, answer: Packet) -> Finding:
    """The packet arrived, and its answer went past the machine that had translated it."""
    came = f"The answer comes from {answer.src}:{answer.sport}, and the client asked {asked.address}:{asked.port}"
    why = "whoever translated the destination was passed by on the way back, because nobody masqueraded the source"
    return Finding((f"{came}: it knows no such conversation. {why[0].upper()}{why[1:]}.",))


def _untranslated(world: World, asked: Asked, name: str) -> Finding:
    held = next((row for row in world.table(asked.node, "addr").values() if row.address == asked.address), None)
    if held is not None and asked.end is not None and asked.end.what == "refuse":
        own = (
            f"{asked.address} is the cluster IP of Service {name}, and here {held.dev} of {asked.node[5:]} has it, too"
        )
        said = f"{own}: what is for it stays on that machine, and the program that should listen there does not."
        return Finding((said,))
    whose = f"{asked.address} is the cluster IP of Service {name}, and no machine's own address"
    said = f"{whose}: a rule of kube-proxy has to translate it, and on this way none did."
    problem = getattr(world.get((asked.node, "kube-proxy", "")), "problem", "")
    stands = f"kube-proxy of {asked.node.partition(':')[2]} has stopped writing rules: {problem}."
    return Finding((said, stands) if problem else (said,))


def _retarget(service: Obj, place: int, port: Obj, target: Any) -> Proposal:
    names = {"name": port["name"]} if port.get("name") else {}
    changed = {"ports": [{**names, "port": port["port"], "protocol": port["protocol"], "targetPort": target}]}
    return _patch(service, f"spec.ports[{place}].targetPort: {target}", changed)


def _patch(service: Obj, says: str, spec: Obj) -> Proposal:
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    text = json.dumps({"spec": spec}, separators=(",", ":"))
    command = f"kubectl patch service {name} -n {namespace} -p '{text}'"
    return Proposal(f"in Service {namespace}/{name}, {says} (`{command}`)", command)
