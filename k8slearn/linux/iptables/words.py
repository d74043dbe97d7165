"""iptables' way to refuse: its name and version, what is wrong, and where its help is.

Left out: nothing.
"""

from __future__ import annotations

from k8slearn.errors import CommandError

VERSION = "v1.8.9 (nf_tables)"
HINT = "Try `iptables -h' or 'iptables --help' for more information.\n"


def fail(words: str, code: int = 2) -> CommandError:
    return CommandError(f"iptables {VERSION}: {words}\n{HINT}", code)
