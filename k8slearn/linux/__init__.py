"""One Linux box's network stack, as rows of the world and a walk over them. No word of Kubernetes here.

A network namespace is a scope of the world. ``node:NAME`` is a machine's own (root) namespace,
``node:NAME/X`` the one that ``ip netns add X`` made on it. Its rows, as (table, name) -> value:

====================  ==========================================  ==========================
table                 name                                        value
====================  ==========================================  ==========================
``netns``             ``""``                                      `rows.Netns`
``link``              ``"eth0"``                                  `rows.Link`
``addr``              ``("eth0", "192.168.64.11/24")``            `rows.Address`
``inet6``             ``"eth0"`` (IPv6 is running there)          `rows.Inet6`
``fib``               ``"local"``                                 ``"empty"`` (`addr.py`)
``route``             ``("main", "10.244.1.0/24", metric)``       `rows.Route`
``rule``              ``("ip", 100, "from all lookup 7")``        `rows.Rule`
``neigh``, ``proxy``  ``("eth0", "192.168.64.12")``               `rows.Neighbour`
``arpd``              the same: a *program* answers for it        `arp.Answered`
``pmtu``              ``"10.244.2.7"``                            `rows.PathMtu`
``fdb``               ``("cni0", "aa:bb:…")``                     `rows.Fdb`
``vxfdb``             ``("flannel.1", "aa:bb:…")``                `rows.VxlanFdb`
``sysctl``            ``"net.ipv4.ip_forward"``                   text
``chain``             ``("ip", "nat", "KUBE-SERVICES")``          `rules.Chain`
``ipset``             ``"blocked"``                               `ipset.IpSet`
``ipset-member``      ``("blocked", ("10.0.0.1", "tcp:80"))``     `ipset.Member`
``recent``            ``"KUBE-SEP-…"`` (``-m recent``)            `recent.py`
``xt``                a rule's place (``-m limit``)               `limits.py`
``nfttable``, …       nftables' own                               `nft/values.py`
``conntrack``         the original direction's `rows.Tuple`       `rows.Connection`
``ipvs``              ``("tcp", "10.96.0.10", 53)``               `ipvs.Virtual`
``ipvs-client``       a client that stays with its server         `ipvs.Client`
``socket``            ``("tcp", "0.0.0.0", 80)``                  `rows.Socket`
``frontend``          80 (a reverse proxy's port)                 `frontend.Frontend`
``dns``               53 (a name server's port)                  `nameserver.NameServer`
``dns-cache``         what was asked, as a name server keeps it  the answer
``upper``             ``("eth0", "node:n/x", "mv0")``             the kind (`stack.py`)
``qdisc``             ``("eth0", "root")``                        `qdisc.Netem`, `qdisc.Tbf`
``qdisc_handle``      ``""``                                      the last that the kernel chose
``tcfilter``          ``("eth0", 49152, 0x800)``                  `ingress.Filter`
``bpf``               ``("eth0", "ingress")``                     `bpf.Program`
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

Left out: sit, gre and IPv6 tunnels, IPsec, bonds, VRFs, several next hops, multicast beyond one link.
What a module leaves out, its own opening says.
"""
