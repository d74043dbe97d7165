"""Cilium on a node, as far as packets and plugins meet it: programs in the kernel, and the maps that they look into.

The kernel's own routing, bridges and iptables are left where they are, and most packets of pods never get there: a
**program** at the node's end of each pod's cable reads in a **map** who the destination is and sends the packet there.

::

    pod eth0 ── lxc… (cil_from_container) ─┬─ a pod of this node     out of its lxc…
                                           ├─ this node itself       by cilium_net to cilium_host, up
                                           ├─ a pod elsewhere        cilium_vxlan, with the sender's identity as VNI
                                           └─ the rest of the world  the kernel's own stack: routes, masquerade
    node's own packets ── cilium_host (cil_from_host) ── the same
    cilium_vxlan (cil_from_overlay) ── the pod, or the node
    eth0 (cil_from_netdev, cil_to_netdev) ── NodePorts; encryption
    connect() (cil_sock4_connect) ── Services

`maps` says what the maps hold, `datapath` what the programs do, `lb` and `nodeport` what becomes of Services,
`identity` who somebody is, and `agent` what the plugin and the agent `components.cilium` do on a node.

Source: cilium/cilium v1.19, bpf/ and pkg/ (Documentation/network/ebpf/lifeofapacket).

Left out: IPv6, L7 policy and its proxy, host firewall, host routing in eBPF (``bpf.masquerade``: the default is the
kernel's stack), XDP, DSR, cluster mesh, IPsec, egress gateways, the health endpoint (``lxc_health``), tcx (programs
hang in ``clsact`` here, as they do on kernels before 6.6), connection tracking in maps other than for NodePorts.
"""
