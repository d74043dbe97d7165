"""How Felix knows its own rules again: each carries a hash of its chain up to itself.

The comment ``cali:Z-c7XtVd2Bq7s_hA`` says what the rule is and what stands before it, so one look at iptables-save
tells what somebody changed (felix/generictables/rules.go).

Left out: rules of older versions, which Felix would take away.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from functools import lru_cache

from k8slearn.components.calico_node.rendering import Line
from k8slearn.linux.iptables import parse_rule
from k8slearn.linux.rules import Rule

APPENDS = "*appends*"
"""What follows the chain's name in the hashes of rules at the end of a kernel's own chain."""


@lru_cache(maxsize=16384)
def hashed(chain: str, lines: tuple[Line, ...]) -> tuple[Rule, ...]:
    """The rules of a chain, each with its hash."""
    done, found = hashlib.sha224(chain.encode()).digest(), []
    for line in lines:
        done = hashlib.sha224(done + f"-A {chain} HASH {line.text}".encode()).digest()
        comment = "cali:" + base64.urlsafe_b64encode(done).decode()[:16]
        rule = parse_rule(f'-m comment --comment "{comment}" {line.text}')
        found.append(replace(rule, because=line.because))
    return tuple(found)
