"""Clusters and policies at random: few labels, few ports, so that selectors hit and miss."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Obj = dict[str, Any]
NAMESPACES = {"x": {"team": "red"}, "y": {"team": "blue"}, "z": {"team": "blue", "env": "prod"}}
KEYS, VALUES, PORTS = ("app", "tier"), ("a", "b", "c"), (80, 81, 8080)
PROTOCOLS = ("TCP", "UDP")
LABELS = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=2)


def expressions(keys: tuple[str, ...], values: tuple[str, ...]) -> st.SearchStrategy[Obj]:
    some = st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)
    key = st.sampled_from(keys)
    listed = st.fixed_dictionaries({"key": key, "operator": st.sampled_from(("In", "NotIn")), "values": some})
    there = st.fixed_dictionaries({"key": key, "operator": st.sampled_from(("Exists", "DoesNotExist"))})
    return st.one_of(listed, there)


def selectors(keys: tuple[str, ...], values: tuple[str, ...]) -> st.SearchStrategy[Obj]:
    pairs = st.dictionaries(st.sampled_from(keys), st.sampled_from(values), max_size=1)
    given = st.fixed_dictionaries({"matchLabels": pairs})
    more = st.fixed_dictionaries({"matchExpressions": st.lists(expressions(keys, values), min_size=1, max_size=2)})
    return st.one_of(st.just({}), given, given, more)


PODS = selectors(KEYS, VALUES)
TEAMS = selectors(("team", "env"), ("red", "blue", "prod"))
BLOCKS = st.sampled_from(
    (
        {"cidr": "10.244.0.0/16"},
        {"cidr": "0.0.0.0/0", "except": ["10.244.1.0/28"]},
        {"cidr": "10.244.1.0/28"},
        {"cidr": "10.244.0.0/16", "except": ["10.244.1.0/28", "10.244.2.0/30"]},
        {"cidr": "192.168.64.0/24"},
    )
)
PEERS = st.one_of(
    st.fixed_dictionaries({"podSelector": PODS}),
    st.fixed_dictionaries({"namespaceSelector": TEAMS}),
    st.fixed_dictionaries({"namespaceSelector": TEAMS, "podSelector": PODS}),
    st.fixed_dictionaries({"ipBlock": BLOCKS}),
)
POLICY_PORTS = st.one_of(
    st.fixed_dictionaries({"protocol": st.sampled_from(PROTOCOLS)}),
    st.fixed_dictionaries({"port": st.sampled_from((*PORTS, "web", "dns")), "protocol": st.sampled_from(PROTOCOLS)}),
    st.just({"port": 80, "endPort": 81}),
)


def rules(peers: str) -> st.SearchStrategy[list[Obj]]:
    one = st.fixed_dictionaries(
        {}, optional={peers: st.lists(PEERS, max_size=3), "ports": st.lists(POLICY_PORTS, max_size=3)}
    )
    return st.lists(one, max_size=2)


@st.composite
def network_policies(draw: st.DrawFn, most: int = 4) -> list[Obj]:
    """NetworkPolicies of any form, several in one namespace."""
    found = []
    for number in range(draw(st.integers(1, most))):
        spec: Obj = {"podSelector": draw(PODS), "ingress": draw(rules("from")), "egress": draw(rules("to"))}
        types = draw(st.sampled_from((["Ingress"], ["Egress"], ["Ingress", "Egress"], None)))
        spec |= {"policyTypes": types} if types else {}
        metadata = {"name": f"p{number}", "namespace": draw(st.sampled_from(sorted(NAMESPACES)))}
        kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
        found.append({**kind, "metadata": metadata, "spec": spec})
    return found


PAIRS = st.fixed_dictionaries({"namespaceSelector": TEAMS, "podSelector": PODS})
MEANT = st.one_of(st.fixed_dictionaries({"namespaces": TEAMS}), st.fixed_dictionaries({"pods": PAIRS}))
NETWORKS = st.lists(st.sampled_from(("10.244.1.0/28", "10.244.2.0/30", "10.0.0.0/8")), min_size=1, unique=True)
SPANS = st.sampled_from(({}, {"number": 80}, {"range": {"start": 80, "end": 81}}))
CARRIED = st.one_of(
    st.builds(
        lambda word, span: {word: {"destinationPort": span}} if span else {}, st.sampled_from(("tcp", "udp")), SPANS
    ).filter(bool),
    st.just({"destinationNamedPort": "web"}),
)


@st.composite
def cluster_policies(draw: st.DrawFn, most: int = 3) -> list[Obj]:
    """ClusterNetworkPolicies of both tiers, each of a priority of its own."""
    found = []
    for number in range(draw(st.integers(0, most))):
        spec: Obj = {"tier": draw(st.sampled_from(("Admin", "Baseline"))), "priority": number, "subject": draw(MEANT)}
        for direction, word in (("ingress", "from"), ("egress", "to")):
            rule = {
                "action": st.sampled_from(("Accept", "Deny", "Pass")),
                word: st.lists(
                    MEANT if word == "from" else st.one_of(MEANT, st.fixed_dictionaries({"networks": NETWORKS})),
                    min_size=1,
                    max_size=2,
                ),
            }
            protocols = {"protocols": st.lists(CARRIED, min_size=1, max_size=2)}
            spec[direction] = draw(st.lists(st.fixed_dictionaries(rule, optional=protocols), max_size=2))
        kind = {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy"}
        found.append({**kind, "metadata": {"name": f"c{number}"}, "spec": spec})
    return found


@st.composite
def pods(draw: st.DrawFn, least: int = 3, most: int = 5, nodes: int = 2) -> list[Obj]:
    """Pods on some nodes in three namespaces, with the ports that policies ask for; some ask for an address."""
    found = []
    for number in range(draw(st.integers(least, most))):
        namespace = draw(st.sampled_from(sorted(NAMESPACES)))
        name = draw(st.sampled_from(("web", "dns")))
        datagrams = draw(st.sampled_from(({}, {"name": "dns" if name == "web" else "web"})))
        ports = [{"containerPort": 80, "name": name}, {"containerPort": 81}]
        ports.append({"containerPort": 80, "protocol": "UDP", **datagrams})
        address = f'["10.244.{1 + number % nodes}.{number + 2}"]'
        metadata = {"name": f"pod{number}", "namespace": namespace, "labels": draw(LABELS)}
        asks = nodes == 2 or draw(st.booleans())
        metadata["annotations"] = {"cni.projectcalico.org/ipAddrs": address} if asks else {}
        spec = {
            "nodeName": f"node-{1 + number % nodes}",
            "containers": [{"name": "c", "image": "agnhost", "ports": ports}],
        }
        found.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    return found


def namespaces() -> list[Obj]:
    rows = ({"name": name, "labels": labels} for name, labels in NAMESPACES.items())
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata} for metadata in rows]
