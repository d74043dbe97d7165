"""Who may talk to whom: NetworkPolicies and ClusterNetworkPolicies, as their text means them.

`compiled` reads the objects, `selected` finds the pods that selectors mean, `judge` says what the text allows and
`missed` what would have had to be otherwise. An agent on a node makes rules of the same values
(``components/calico_node``).

Left out: what those modules leave out.
"""

from k8slearn.api.policy.compiled import Peer, Policy, Ports, Rule, policies
from k8slearn.api.policy.judge import Asked, Party, Verdict, allows, party
from k8slearn.api.policy.missed import Miss, nearest

__all__ = [
    "Asked",
    "Miss",
    "Party",
    "Peer",
    "Policy",
    "Ports",
    "Rule",
    "Verdict",
    "allows",
    "nearest",
    "party",
    "policies",
]
