"""The Container Network Interface: how a pod gets its network, in the specification's own words.

A container runtime keeps a network configuration in /etc/cni/net.d (`netconf`) and runs the plugins that it names, one
after the other (`runtime`). A plugin is a program: parameters come in the environment, its configuration as JSON on
standard input, and it prints a result or an error as JSON (`spec`, `decode`, `skel`). The plugins themselves are in
`plugins`. Beside it stand `kubenet`, what the kubelet did before; `nomad`, another orchestrator that runs the same
lists; `multus`, a plugin that calls the plugins of several networks; and `cri`, the records that a container runtime
keeps of its containers.

Left out: the plugins dhcp (refused in one sentence), vrf and sbr, and a plugin's time limit."""
