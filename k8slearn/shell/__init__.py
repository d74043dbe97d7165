"""The real tools' words, in and out: what a person types on a node or in a pod, and what it prints.

On a real machine ``ip route`` is a program that asks the kernel over netlink and prints the answer. Here it is a
`Program` that reads the world's rows and prints them as iproute2 6.1, iptables 1.8.9, conntrack-tools 1.4.7, iputils
and curl 7.88 do; what it changes goes through the same configuration operations (`linux/link.py`, `linux/route.py`,
...) that CNI plugins use. ``tests/shell`` holds the output against the real programs in real network namespaces, byte
for byte.

`run` is the way in: `sh` reads the line (`grammar` has its language), and the table of programs is in `process.py`.

Left out: options that show what the world does not hold: each is refused in a sentence, never ignored.
"""

from k8slearn.shell.process import Process, execute, joined, run

__all__ = ["Process", "execute", "joined", "run"]
