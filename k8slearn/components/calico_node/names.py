"""How Calico names what it writes: selectors in its own language, and hashes where a name would be too long.

A peer of a policy becomes a **selector**, and a selector becomes the name of an ipset::

    podSelector: {matchLabels: {app: api}}          in a policy of namespace web
    (projectcalico.org/namespace == "web" && (projectcalico.org/orchestrator == "k8s" && app == "api"))
    cali40s:wcb4Iy6PwI8Fs7MyXIZvYMT                 "s:" and the sha224 of it, cut to what a set's name may have

Equal selectors are one set, in however many policies they stand. A namespace's labels have the prefix ``pcns.``.

Sources: libcalico-go/lib/selector/parser/ast.go, lib/hash, lib/backend/k8s/conversion, felix/ipsets/ipset_defs.go
(projectcalico/calico v3.32.1).

Left out: selectors that no Kubernetes policy can say (``contains``, ``||``, service accounts).
"""

from __future__ import annotations

import base64
import hashlib
import re

from k8slearn.api.policy import Peer, Policy
from k8slearn.api.policy.selected import Selector

CHAIN, SET, GROUP = 28, 31, 20
"""How long names of chains, of sets and of groups of policies may be."""
FAMILIES = {"ip": "cali40", "ip6": "cali60"}
"""What the name of a main set of each family begins with."""
NAMESPACE, ORCHESTRATOR = "projectcalico.org/namespace", 'projectcalico.org/orchestrator == "k8s"'
KINDS = {
    "NetworkPolicy": ("KubernetesNetworkPolicy", "knp"),
    "ClusterNetworkPolicy": ("KubernetesClusterNetworkPolicy", "kcnp"),
}
"""Calico's own word for a kind of policy, and the short one."""
UNSAFE = re.compile(r"[^\w @%+=:,./-]")
"""What is not written into a comment."""


def unique(prefix: str, content: str) -> str:
    """``s:`` and a hash (lib/hash/unique_id.go)."""
    return f"{prefix}:{_text(hashlib.sha224(f'{prefix}:{content}'.encode()).digest())}"


def limited(prefix: str, suffix: str, length: int = CHAIN) -> str:
    """Prefix and suffix; the suffix's hash after ``_`` where that would be too long."""
    if len(prefix + suffix) < length or (len(prefix + suffix) == length and not suffix.startswith("_")):
        return prefix + suffix
    return f"{prefix}_{_text(hashlib.sha256(suffix.encode()).digest())}"[:length]


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def set_name(identity: str, family: str = "ip") -> str:
    """The ipset's name in the kernel."""
    return (FAMILIES[family] + identity)[:SET]


def policy_id(policy: Policy) -> str:
    """``knp/web/allow-api``."""
    return f"{KINDS[policy.kind][1]}/{policy.name}"


def policy_comment(policy: Policy, direction: str) -> str:
    return f"{KINDS[policy.kind][0]} {policy.name} {direction}"


def group_name(policies: list[Policy], direction: str) -> str:
    """The chain of several policies that select the same pods (rules/endpoints.go PolicyGroup)."""
    inbound = direction == "ingress"
    said = [subject(policies[0]), "inbound" if inbound else "outbound", str(len(policies)), *map(_written, policies)]
    digest = hashlib.sha3_224("".join(f"{line}\n" for line in said).encode()).digest()
    return f"cali-{'gi' if inbound else 'go'}-{_text(digest)[:GROUP]}"


def _written(policy: Policy) -> str:
    name = policy.name.rpartition("/")[2]
    return f"{{Name: {name}, Namespace: {policy.namespace}, Kind: {KINDS[policy.kind][0]}}}"


# --- selectors ---------------------------------------------------------------------------------


def selector(peer: Peer, own: str) -> str:
    """The endpoints that a peer of a policy of namespace `own` means."""
    where = f'{NAMESPACE} == "{own}"' if peer.namespaces is None else _namespaces(peer.namespaces)
    return where if peer.whole else _all([where, _pods(peer.pods)])


def subject(policy: Policy) -> str:
    """The endpoints that a policy is about."""
    names = policy.subject.namespaces
    where = f'{NAMESPACE} == "{policy.namespace}"' if names is None else _namespaces(names)
    return _all([_pods(policy.subject.pods), where])


def _namespaces(names: Selector) -> str:
    return _all([_term("pcns.", *one) for one in names]) if names else f"has({NAMESPACE})"


def _pods(pods: Selector) -> str:
    return _all([ORCHESTRATOR, *(_term("", *one) for one in pods)])


def _all(terms: list[str]) -> str:
    return terms[0] if len(terms) == 1 else f"({' && '.join(terms)})"


def _term(prefix: str, key: str, operator: str, values: tuple[str, ...]) -> str:
    label = prefix + key
    listed = ", ".join(f'"{value}"' for value in sorted(set(values)))
    forms = {
        "==": f"{label} == {listed}",
        "In": f"{label} in {{{listed}}}",
        "NotIn": f"{label} not in {{{listed}}}",
        "Exists": f"has({label})",
        "DoesNotExist": f"!has({label})",
    }
    return forms[operator]
