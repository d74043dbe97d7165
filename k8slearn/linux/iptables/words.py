"""iptables' way to refuse (its name and version, what is wrong, where its help is), and how it parts a line into words.

Left out: nothing.
"""

from __future__ import annotations

from k8slearn.errors import CommandError

VERSION = "v1.8.9 (nf_tables)"
HINT = "Try `iptables -h' or 'iptables --help' for more information.\n"


def fail(words: str, code: int = 2) -> CommandError:
    return CommandError(f"iptables {VERSION}: {words}\n{HINT}", code)


def split(line: str) -> list[str]:
    """xshared.c: add_param_to_argv(): blanks part words, double quotes keep them together, ``\\`` frees the next."""
    words: list[str] = []
    word, inside, open_word, escaped = "", False, False, False
    for letter in line:
        if escaped:
            word, escaped = word + letter, False
        elif inside and letter == "\\":
            escaped = True
        elif letter == '"':
            inside, open_word = not inside, True
        elif letter in " \t\n" and not inside:
            words += [word] if word or open_word else []
            word, open_word = "", False
        else:
            word += letter
    return [*words, word] if word or open_word else words
