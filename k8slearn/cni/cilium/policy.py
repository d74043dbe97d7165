"""Where a packet meets policy: once where it leaves its sender's endpoint, once where it enters its receiver's.

Both places know all that a policy asks about: the endpoint whose policy it is, the direction, and the identity of the
other side, which travelled with the packet. What is allowed stands in the endpoint's own part of ``cilium_policy_v2``
(``(endpoint's number, direction, identity, protocol, port)``), which is empty for a pod that no NetworkPolicy selects:
then everything is allowed (``enable-policy: default``).

Left out: NetworkPolicy. Nothing writes rows here yet, so everybody is allowed.
"""

from __future__ import annotations

from k8slearn.cni.cilium import maps
from k8slearn.linux.skb import Net, Skb

EGRESS, INGRESS = "egress", "ingress"


def admits(net: Net, skb: Skb, endpoint: maps.Endpoint, direction: str, identity: int) -> bool:
    """May this packet leave (or enter) the endpoint, towards (or from) somebody with this identity?"""
    return True
