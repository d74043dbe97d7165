"""One Linux box's network stack, as rows of the world and a walk over them. No word of Kubernetes here.

A network namespace is a scope of the world. ``node:NAME`` is a machine's own (root) namespace,
``node:NAME/X`` the one that ``ip netns add X`` made on it. Its rows, as (table, name) -> value:

====================  ==========================================  ==========================
table                 name                                        value
====================  ==========================================  ==========================
``netns``             ``""``                                      `rows.Netns`
``link``              ``"eth0"``                                  `rows.Link`
``addr``              ``("eth0", "192.168.64.11/24")``            `rows.Address`
``route``             ``("main", "10.244.1.0/24", metric)``       `rows.Route`
``neigh``             ``("eth0", "192.168.64.12")``               `rows.Neighbour`
``pmtu``              ``"10.244.2.7"``                            `rows.PathMtu`
``fdb``               ``("cni0", "aa:bb:…")``                     `rows.Fdb`
``sysctl``            ``"net.ipv4.ip_forward"``                   text
``chain``             ``("ip", "nat", "KUBE-SERVICES")``          `rules.Chain`
``nfttable``, …       nftables' own                               `nft/values.py`
``conntrack``         the original direction's `rows.Tuple`       `rows.Connection`
``socket``            ``("tcp", "0.0.0.0", 80)``                  `rows.Socket`
``upper``             ``("eth0", "node:n/x", "mv0")``             the kind (`stack.py`)
``qdisc``             ``("eth0", "root")``                        `qdisc.Netem`, `qdisc.Tbf`
``module``            ``"ipip"`` (of a machine: it is loaded)     True
``counter``           ``("link", "eth0", "tx")``, a rule's place  (packets, bytes)
``nstat``             ``"IpInReceives"``                          (packets, bytes)
``drops``             ``"IP_RPFILTER"`` (`reasons.py`)            (packets, bytes)
``keys``              ``""`` (of a machine)                       how many ``wg genkey`` made
====================  ==========================================  ==========================

Reading order: `skb` (what a kernel keeps beside a packet), `path` (the way through a box), then the room you wonder
about: `fib` and `trie` (routes), `arp` and `ndp` (neighbours), `netfilter`, `ruleindex`, `iptables` and `nft` (rules),
`conntrack` and `nat` (memory), `bridge` and `vxlan` (frames), `icmp`, `frag` and `pmtu` (what does not fit),
`qdisc` (what waits), `attempt`, `client` and `listen` (the ends), `wire` (the bytes), `faults` (what breaks), `reasons`
(the kernel's names for every drop).

Left out: sit, gre and IPv6 tunnels, several next hops, multicast beyond one link.
"""
