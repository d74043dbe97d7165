"""Each qdisc in the words of ``tc``: how its settings are read, and how they are printed.

Left out: every qdisc but ``tbf``, ``netem``, and those that devices are born with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

from k8slearn.errors import CommandError
from k8slearn.linux.qdisc import Netem, Qdisc, Tbf
from k8slearn.linux.rows import Link
from k8slearn.shell import tc_words
from k8slearn.shell.iproute import Fields, Words, not_modelled
from k8slearn.shell.process import Process

TBF_USAGE = (
    "Usage: ... tbf limit BYTES burst BYTES[/BYTES] rate KBPS [ mtu BYTES[/BYTES] ]\n"
    "\t[ peakrate KBPS ] [ latency TIME ] [ overhead BYTES ] [ linklayer TYPE ]\n"
)
ALIASES = {"buffer": "burst", "maxburst": "burst"}
TBF_WORDS: Mapping[str, Callable[[str], int | None]] = {
    "limit": tc_words.size,
    "latency": tc_words.time,
    "burst": tc_words.size,
    "rate": tc_words.rate,
}
NETEM_LIMIT = 1000
NETEM_MORE = ("duplicate", "corrupt", "reorder", "gap", "distribution", "rate", "slot", "ecn", "limit")


def find(process: Process, dev: str) -> Link:
    """The device, or tc's complaint."""
    link: Link | None = process.world.get((process.netns, "link", dev))
    if link is None:
        raise CommandError(f'Cannot find device "{dev}"\n', 1)
    return link


def _bad(words: str) -> NoReturn:
    raise CommandError(f"{words}\n", 1)


def _tbf(words: Words, handle: str) -> Qdisc:
    """``rate 1mbit burst 32kbit latency 400ms`` (`q_tbf.c: tbf_parse_opt`)."""
    told: dict[str, int] = {}
    while words:
        word = words.take()
        if word == "help":
            raise CommandError(TBF_USAGE, 1)
        if word in ("mtu", "minburst", "peakrate", "overhead", "linklayer", "mpu"):
            not_modelled(f"tbf {word}")
        name = ALIASES.get(word, word)
        if name not in TBF_WORDS:
            _bad(f'tbf: unknown parameter "{word}"\n{TBF_USAGE}'.rstrip("\n"))
        text = words.take()
        value = TBF_WORDS[name](text)
        if value is None:
            _bad(f'tbf: illegal value for "{name}": "{text}"')
        if {name, *told} >= {"limit", "latency"}:
            _bad('tbf: specifying both "limit" and "/latency" is not allowed')
        told[name] = value
    _mandatory(told)
    limit = told["limit"] if "limit" in told else int(told["rate"] / 8 * told["latency"] / 1e6 + told["burst"])
    fill, burst = tc_words.bucket(told["rate"], told["burst"])
    return Tbf(handle, told["rate"], burst, limit % tc_words.LONGEST, fill)


def _mandatory(told: Mapping[str, int]) -> None:
    missing = [f'the "{name}" parameter is mandatory.' for name in ("rate", "burst") if not told.get(name)]
    missing += ['either "limit" or "latency" is required.'] if not {"limit", "latency"} & set(told) else []
    if missing:
        raise CommandError("".join(f"tbf: {words}\n" for words in missing) + TBF_USAGE, 1)


def _tbf_fields(row: Tbf) -> Fields:
    late = 1_000_000 * (row.limit / (row.rate // 8)) - row.fill
    over: Fields = {"lat": int(late)} if late >= 0 else {"limit": row.limit}
    return {"rate": row.rate // 8, "burst": row.burst, **over}


def _tbf_text(row: Fields) -> str:
    late = f"lat {tc_words.time_text(row['lat'])}" if "lat" in row else f"limit {tc_words.size_text(row['limit'])}"
    return f"rate {tc_words.rate_text(row['rate'] * 8)} burst {tc_words.size_text(row['burst'])} {late} "


def _netem(words: Words, handle: str) -> Qdisc:
    """``delay 100ms loss 10%`` (tc-netem(8), `q_netem.c: netem_parse_opt`)."""
    delay, loss = 0, 0.0
    while words:
        word = words.take()
        if word in ("delay", "latency"):
            found = tc_words.time(words.take())
            if found is None:
                _bad('Illegal "latency"')
            delay = found
        elif word in ("loss", "drop"):
            if words and words.left[0] == "random":
                words.take()
            share = tc_words.percent(words.take())
            if share is None:
                _bad('Illegal "loss percent"')
            loss = share
        elif word in NETEM_MORE:
            not_modelled(f"netem {word}")
        else:
            _bad(f'What is "{word}"?')
        if words and words.left[0][:1].isdigit():
            not_modelled(f"netem {word} ... {words.left[0]} (jitter and correlation)")
    return Netem(handle, delay / 1_000_000, loss)


def _netem_fields(row: Netem) -> Fields:
    fields: Fields = {"limit": NETEM_LIMIT}
    fields |= {"delay": {"delay": row.delay, "jitter": 0, "correlation": 0}} if row.delay else {}
    fields |= {"loss-random": {"loss": row.loss / 100, "correlation": 0}} if row.loss else {}
    return fields | {"ecn": False, "gap": 0}


def _netem_text(row: Fields) -> str:
    delay = f" delay {tc_words.time_text(row['delay']['delay'] * 1_000_000 + 0.5)}" if "delay" in row else ""
    loss = f" loss {row['loss-random']['loss'] * 100:g}%" if "loss-random" in row else ""
    return f"limit {row['limit']}{delay}{loss}"


class Kind(NamedTuple):
    """What ``tc`` knows of a qdisc."""

    parse: Callable[[Words, str], Qdisc]
    fields: Callable[[Any], Fields]
    text: Callable[[Fields], str]


KINDS: Mapping[str, Kind] = {
    "tbf": Kind(_tbf, _tbf_fields, _tbf_text),
    "netem": Kind(_netem, _netem_fields, _netem_text),
}
OTHERS = {
    *("pfifo", "bfifo", "pfifo_fast", "pfifo_head_drop", "sfq", "fq", "fq_codel", "fq_pie", "codel", "cake", "red"),
    *("htb", "hfsc", "prio", "mq", "mqprio", "drr", "qfq", "ets", "taprio", "cbs", "etf", "choke", "gred", "sfb"),
    *("pie", "multiq", "plug", "hhf", "cbq", "dsmark", "atm", "teql", "noqueue", "clsact", "skbprio"),
}
"""Qdiscs that Linux has and this machine has not."""
BANDS = (1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1)
BORN: Mapping[str, Fields] = {
    "noqueue": {},
    "ingress": {},
    "clsact": {},
    "pfifo_fast": {"bands": 3, "priomap": list(BANDS), "multiqueue": False},
}
"""What devices have of themselves, or hold no settings -> their options in JSON."""
BORN_TEXT = {
    "noqueue": "",
    "ingress": "---------------- ",
    "clsact": "",
    "pfifo_fast": f"bands 3 priomap {' '.join(map(str, BANDS))}",
}
