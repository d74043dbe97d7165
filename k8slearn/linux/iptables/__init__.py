"""iptables' language: one rule as text in, one rule as ``iptables-save`` prints it out, and a whole namespace as text.

::

    words -> parse.py -> Rule -> text.py -> words
               │  plain.py           -s -d -i -o -p -f
               │  match_options.py   -m NAME: a row for each match, with its options
               │  target_options.py  -j NAME: a row for each target
               └─ values.py          what stands behind an option; names.py: words for numbers

Text -> rule -> text is a fixed point: what is printed is read back to the same rule. What a rule does to a packet is in
`linux/matches.py` and `linux/targets.py`; the program with its chains and tables is ``shell/iptables.py``.

Left out: matches and targets without a row; what the kernel refuses although it can be read
(``shell/iptables_check.py``).
"""

from k8slearn.linux.iptables.match_options import MATCHES
from k8slearn.linux.iptables.parse import parse_rule, parse_rules, parse_words
from k8slearn.linux.iptables.target_options import TARGETS
from k8slearn.linux.iptables.text import rule_text, save
from k8slearn.linux.iptables.words import VERSION, fail

__all__ = ["MATCHES", "TARGETS", "VERSION", "fail", "parse_rule", "parse_rules", "parse_words", "rule_text", "save"]
