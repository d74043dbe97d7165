"""Felix's chains of the filter table: the way of a packet from or to a pod, past every policy that selects it.

::

    FORWARD ── cali-FORWARD ─┬─ -i cali+ ── cali-from-wl-dispatch ──goto── cali-fw-cali1234…   may this pod send it?
                             └─ -o cali+ ── cali-to-wl-dispatch ────goto── cali-tw-cali5678…   may this pod have it?
    INPUT ─── cali-INPUT ────── -i cali+ ── cali-wl-to-host ── the same question as above, then ACCEPT
    OUTPUT ── cali-OUTPUT ───── -o cali+ ── RETURN             a node always reaches its own pods

    cali-tw-…   established: ACCEPT, invalid: DROP
                cali-pi-…  one jump for each policy, or cali-gi-… for several of one selector; accept bit set: RETURN
                DROP       "End of tier default": some policy selects the pod, and none allowed this
                cali-pri-kns.NAMESPACE   no policy selects it: the namespace's profile allows all

What both ends allowed is accepted by the last rules of FORWARD.

Sources: felix/rules/static.go, dispatch.go, endpoints.go (projectcalico/calico v3.32.1).

Left out: host endpoints and their failsafe ports (their chains are there, and empty), blocked CIDRs, endpoint marks
(kube-proxy in ipvs mode), the raw and mangle tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, takewhile
from typing import NamedTuple

from k8slearn.api.policy import Policy
from k8slearn.api.policy.compiled import ADMIN, BASELINE, MIDDLE, TIERS
from k8slearn.components.calico_node import names
from k8slearn.components.calico_node.rendering import (
    ACCEPT,
    ALL_BLOCKS,
    PASS,
    THIS_BLOCK,
    Line,
    Rendered,
    clear_mark,
    commented,
    is_clear,
    is_set,
    line,
    set_mark,
)

EVERY = ACCEPT | PASS | ALL_BLOCKS | THIS_BLOCK
HOSTS = "all-hosts-net"
"""The set of the nodes' addresses: who may send packets in packets."""
TIER_NAMES = {ADMIN: "kube-admin", MIDDLE: "default", BASELINE: "kube-baseline"}
STRIDE = 5
"""After so many policies of a group, one rule looks whether anything was decided."""
ENTRIES = {"INPUT": "cali-INPUT", "FORWARD": "cali-FORWARD", "OUTPUT": "cali-OUTPUT"}
APPENDED = (
    line("--jump ACCEPT", is_set(ACCEPT), "", "Policy explicitly accepted packet."),
    line(set_mark(ACCEPT)),
)
"""The last rules of FORWARD."""
Chains = dict[str, tuple[Line, ...]]
DIRECTIONS = {"ingress": ("tw", "pi", "gi", "pri"), "egress": ("fw", "po", "go", "pro")}
"""The middle parts of the names of chains: of a workload, a policy, a group, a profile."""


class Workload(NamedTuple):
    """A pod of this node with an address: Calico's WorkloadEndpoint."""

    pod: str
    interface: str
    """The host end of its cable."""
    account: str
    """Its service account."""
    ingress: tuple[Policy, ...]
    egress: tuple[Policy, ...]

    def policies(self, direction: str) -> tuple[Policy, ...]:
        return self.ingress if direction == "ingress" else self.egress


def static(tunnelled: bool, family: str) -> Chains:
    """The chains that every node has."""
    hosts = names.set_name(HOSTS, family)
    tunnel = tunnelled and family == "ip"
    from_hosts = f"-p 4 -m set --match-set {hosts} src -m addrtype --dst-type LOCAL"
    to_hosts = f"-p 4 -m set --match-set {hosts} dst -m addrtype --src-type LOCAL"
    ipip_in = (
        line("--jump ACCEPT", from_hosts, "", "Allow IPIP packets from Calico hosts"),
        line(
            "--jump DROP", "-p 4", "IP-in-IP from a machine that is no node", "Drop IPIP packets from non-Calico hosts"
        ),
    )
    ipip_out = (line("--jump ACCEPT", to_hosts, "", "Allow IPIP packets to other Calico hosts"),)
    accepted = line("--jump ACCEPT", is_set(ACCEPT))
    host = line("--jump ACCEPT", is_set(ACCEPT), "", "Host endpoint policy accepted packet.")
    return {
        "cali-INPUT": (
            *ipip_in * tunnel,
            line("--goto cali-wl-to-host", "--in-interface cali+"),
            accepted,
            line(clear_mark(EVERY)),
            line("--jump cali-from-host-endpoint"),
            host,
        ),
        "cali-wl-to-host": (
            line("--jump cali-from-wl-dispatch"),
            line("--jump ACCEPT", "", "", "Configured DefaultEndpointToHostAction"),
        ),
        "cali-FORWARD": (
            line(clear_mark(EVERY & ~ACCEPT)),
            line("--jump cali-from-hep-forward", is_clear(ACCEPT)),
            line("--jump cali-from-wl-dispatch", "--in-interface cali+"),
            line("--jump cali-to-wl-dispatch", "--out-interface cali+"),
            line("--jump cali-to-hep-forward"),
            line("--jump cali-cidr-block"),
        ),
        "cali-OUTPUT": (
            accepted,
            line("--jump RETURN", "--out-interface cali+"),
            *ipip_out * tunnel,
            line(clear_mark(EVERY)),
            line("--jump cali-to-host-endpoint", "-m conntrack ! --ctstate DNAT"),
            host,
        ),
        **dict.fromkeys(("cali-from-host-endpoint", "cali-to-host-endpoint", "cali-from-hep-forward"), ()),
        **dict.fromkeys(("cali-to-hep-forward", "cali-cidr-block"), ()),
    }


# --- which chain is a pod's --------------------------------------------------------------------


def dispatch(interfaces: Iterable[str]) -> Chains:
    """From a cable's name to its chain: a tree of one level where many names begin alike."""
    every = sorted(interfaces)
    found: Chains = {}
    for root, option, middle in (
        ("cali-from-wl-dispatch", "--in-interface", "fw"),
        ("cali-to-wl-dispatch", "--out-interface", "tw"),
    ):
        found |= _tree(root, option, middle, every)
    return found


def _tree(root: str, option: str, middle: str, every: list[str]) -> Chains:
    common = _common(every)
    found: Chains = {}
    lines: list[Line] = []
    end = line("--jump DROP", "", "no pod of this node that Felix knows has this cable", "Unknown interface")
    for prefix, group in groupby(every, lambda name: name[: common + 1]):
        mine = list(group)
        leaves = tuple(line(f"--goto {workload_chain(middle, name)}", f"{option} {name}") for name in mine)
        if len(mine) == 1:
            lines += leaves
        else:
            child = f"{root}-{prefix[common:]}"
            found[child] = (*leaves, end)
            lines.append(line(f"--goto {child}", f"{option} {prefix}+"))
    return {**found, root: (*lines, end)}


def _common(every: list[str]) -> int:
    """How many letters all of them (sorted) begin with alike."""
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(every[0], every[-1], strict=False)) if every else ()
    return sum(1 for _ in alike)


def workload_chain(middle: str, interface: str) -> str:
    return names.limited(f"cali-{middle}-", interface)


# --- a pod's own chains ------------------------------------------------------------------------


def workload(pod: Workload, direction: str) -> Chains:
    """The pod's chain for one direction, and those of its groups of policies."""
    middle = DIRECTIONS[direction][0]
    found: Chains = {}
    lines = [
        line("--jump ACCEPT", "-m conntrack --ctstate RELATED,ESTABLISHED"),
        line("--jump DROP", "-m conntrack --ctstate INVALID"),
        line(clear_mark(ACCEPT | PASS)),
        *(_no_tunnels() if direction == "egress" else ()),
    ]
    for tier in TIERS:
        mine = [policy for policy in pod.policies(direction) if policy.tier == tier]
        if mine:
            lines += _tier(pod, direction, tier, mine, found)
    for profile in profiles(pod):
        lines.append(line(f"--jump {profile_chain(profile, direction)}"))
        lines.append(line("--jump RETURN", is_set(ACCEPT), "", "Return if profile accepted"))
    lines.append(line("--jump DROP", "", f"nothing allows {pod.pod} this", "Drop if no profiles matched"))
    return {**found, workload_chain(middle, pod.interface): tuple(lines)}


def _no_tunnels() -> tuple[Line, ...]:
    """A pod that made tunnels of its own would get past the policies."""
    because = "a pod's own tunnels would pass by its policies"
    vxlan = "-p 17 -m multiport --destination-ports 4789"
    return (
        line("--jump DROP", vxlan, because, "Drop VXLAN encapped packets originating in workloads"),
        line("--jump DROP", "-p 4", because, "Drop IPinIP encapped packets originating in workloads"),
    )


def _tier(pod: Workload, direction: str, tier: str, mine: list[Policy], found: Chains) -> Iterator[Line]:
    yield line(clear_mark(PASS), "", "", f"Start of tier {TIER_NAMES[tier]}")
    for _, group in groupby(mine, names.subject):
        policies = list(group)
        if len(policies) == 1:
            chain = policy_chain(policies[0], direction)
        else:
            chain = names.group_name(policies, direction)
            found[chain] = tuple(_group(policies, direction))
        yield line(f"--jump {chain}", is_clear(PASS), ", ".join(policy.title for policy in policies))
        yield line("--jump RETURN", is_set(ACCEPT), "", "Return if policy accepted")
    if tier == MIDDLE:
        who = ", ".join(policy.title for policy in mine)
        because = f"{who}: {pod.pod} is isolated for {direction}, and none of their rules allows this"
        said = "End of tier default. Drop if no policies passed packet"
        yield line("--jump DROP", is_clear(PASS), because, said)


def _group(policies: list[Policy], direction: str) -> Iterator[Line]:
    """Policies of one selector, one after the other until a mark is set."""
    for number, policy in enumerate(policies):
        first = number % STRIDE == 0
        if number and first:
            yield line("--jump RETURN", f"-m mark ! --mark 0/{PASS | ACCEPT:#x}", "", "Return on verdict")
        yield line(f"--jump {policy_chain(policy, direction)}", "" if first else is_clear(PASS | ACCEPT), policy.title)


def policy_chain(policy: Policy, direction: str) -> str:
    return names.limited(f"cali-{DIRECTIONS[direction][1]}-", names.policy_id(policy))


# --- profiles ----------------------------------------------------------------------------------


def profiles(pod: Workload) -> tuple[str, str]:
    """What a pod has of its namespace and of its service account."""
    namespace = pod.pod.partition("/")[0]
    return f"kns.{namespace}", f"ksa.{namespace}.{pod.account}"


def profile_chain(profile: str, direction: str) -> str:
    return names.limited(f"cali-{DIRECTIONS[direction][3]}-", profile)


def profile(name: str, direction: str) -> tuple[Line, ...]:
    """A namespace's profile allows everything, a service account's says nothing."""
    allows = [line(set_mark(ACCEPT), "", f"no policy isolates pods of namespace {name[4:]}")]
    lines = allows if name.startswith("kns.") else []
    return tuple(commented(Rendered(lines), f"Profile {name} {direction}").lines)
