"""Encryption: packets of pods to pods of other nodes take a détour through ``cilium_wg0`` before they leave.

::

    tunnel   lxc… ── cilium_vxlan ── eth0 (cil_to_netdev) ── cilium_wg0 ── eth0       UDP 51871, all of it cipher
             the outer VXLAN packet is what is encrypted: so the identity (its VNI) is secret too
    native   lxc… ── the stack ── eth0 (cil_to_netdev) ── cilium_wg0 ── eth0          where the ipcache has a key

What is plain by default: pods of one node among themselves (their packets never leave it), a node's own packets to
other nodes, and everything to the world outside. In tunnel mode a node's packets to pods are encrypted too, since they
travel in the tunnel.

Sources: bpf/lib/wireguard.h (wg_maybe_redirect_to_encrypt), Documentation/security/network/encryption-wireguard.rst.

Left out: node-to-node encryption (``encrypt-node``), strict mode, IPsec.
"""

from __future__ import annotations

from k8slearn.cni.cilium import identity, maps
from k8slearn.linux import bpf
from k8slearn.linux.bpf import OK
from k8slearn.linux.rows import Link
from k8slearn.linux.skb import Net, Skb

OVERLAY_MARK, ENCRYPTED_MARK = 0x0400, 0x0E00
"""``MARK_MAGIC_OVERLAY``: it comes out of the tunnel's device; ``MARK_MAGIC_ENCRYPT``: it has been in cilium_wg0."""
KEY = 255
"""The key's number in the ipcache while WireGuard is on (pkg/wireguard/types: ``StaticEncryptKey``)."""


def mark(net: Net, skb: Skb, link: Link) -> bool:
    """``cil_to_overlay``: the outer packet will be known by its mark."""
    net.mark = OVERLAY_MARK
    return OK


def encrypt(net: Net, skb: Skb, link: Link) -> bool:
    """``cil_to_netdev``: what is to be encrypted goes to cilium_wg0 instead, once."""
    config, packet = maps.config(net.world, skb.netns), skb.packet
    if config is None or not config.wireguard or packet.proto == "arp" or packet.cipher or packet.family == "ip6":
        return OK
    found = maps.remote(net.world, skb.netns, packet.dst)
    if found is None or not (_is_overlay(skb) or _between_pods(net, skb, found[1])):
        return OK
    what = "a tunnel's packet" if _is_overlay(skb) else f"{packet.dst} is {identity.name(found[1].identity)}, key {KEY}"
    why = maps.why(skb.netns, maps.IPCACHE, *found)
    bare = packet._replace(eth_src="", eth_dst="")
    return bpf.redirect(net, skb, maps.WIREGUARD, bare, f"{what}: into {maps.WIREGUARD}", why)


def _is_overlay(skb: Skb) -> bool:
    return skb.mark & 0x0F00 == OVERLAY_MARK and skb.packet.vni > 0


def _between_pods(net: Net, skb: Skb, to: maps.Remote) -> bool:
    """Native routing: both are pods, and the other one is behind a key."""
    here = maps.remote(net.world, skb.netns, skb.packet.src)
    plain = (identity.HOST, identity.REMOTE_NODE, identity.KUBE_APISERVER, identity.WORLD)
    return bool(to.key) and to.identity not in plain and here is not None and here[1].identity not in plain
