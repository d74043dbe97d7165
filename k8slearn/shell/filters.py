"""Filters: ``grep``, ``head``, ``tail``, ``wc``, ``sort``, ``uniq``, ``cut``, ``tr``, ``seq``: lines in, lines out.

People ask a tool for a page and look for three words in it. Each filter here does to its input what GNU's does (grep
3.8, coreutils 9.1) in the C locale, for the options in `OPTIONS`; tests/shell holds them against the real ones.

Left out: every other option (refused in a sentence), back-references in patterns, files that are followed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby

from k8slearn.errors import CommandError
from k8slearn.linux.program import Result, Running
from k8slearn.shell import files
from k8slearn.shell.process import Process

OPTIONS: Mapping[str, tuple[str, str]] = {
    "grep": ("ivcEFownqxh", "eABCm"),
    "head": ("q", "nc"),
    "tail": ("q", "nc"),
    "wc": ("lwc", ""),
    "sort": ("nrufV", "kt"),
    "uniq": ("cdu", ""),
    "cut": ("s", "dfc"),
    "tr": ("ds", ""),
    "seq": ("w", "s"),
}
"""Of each filter: its switches, and its options with a value."""
LONG = {"--ignore-case": "-i", "--invert-match": "-v", "--count": "-c", "--extended-regexp": "-E", "--quiet": "-q",
        "--only-matching": "-o", "--lines": "-n", "--numeric-sort": "-n", "--reverse": "-r", "--unique": "-u",
        "--fixed-strings": "-F", "--word-regexp": "-w", "--context": "-C", "--silent": "-q"}  # fmt: skip
CLASSES = {"space": r"\s", "digit": "0-9", "alpha": "A-Za-z", "alnum": "A-Za-z0-9", "upper": "A-Z", "lower": "a-z"}
BRACKET = re.compile(r"\[(\^?)(\]?(?:\[:\w+:\]|[^\]])*)\]")
Options = dict[str, str]


def _read(process: Process, who: str, numbers: bool = False) -> tuple[Options, list[str]]:
    """The options by their letters, and the other words; ``-5`` is ``-n 5`` where `numbers`."""
    switches, valued = OPTIONS[who]
    options: Options = {}
    words: list[str] = []
    rest = list(process.argv)
    while rest:
        word = rest.pop(0)
        name, _, value = word.partition("=")
        if name in LONG:
            word = LONG[name] + value
        if word == "--":
            return options, words + rest
        if numbers and re.fullmatch(r"-\d+", word):
            word = f"-n{word[1:]}"
        if not word.startswith("-") or word == "-" or (who == "seq" and re.fullmatch(r"-\d+", word)):
            words.append(word)
            continue
        for at, letter in enumerate(word[1:], 2):
            if letter in valued:
                if not word[at:] and not rest:
                    raise CommandError(f"{who}: option requires an argument -- '{letter}'\n", _trouble(who))
                options[letter] = word[at:] or rest.pop(0)
                break
            if letter not in switches:
                raise CommandError(f"{who}: the option {word} is not modelled here\n", _trouble(who))
            options[letter] = ""
    return options, words


def _trouble(who: str) -> int:
    return 2 if who in ("grep", "sort") else 1


def _inputs(process: Process, who: str, names: list[str]) -> tuple[list[tuple[str, str]], str]:
    """(name, text) of each input, standard input without names; and what is said of those that are not there."""
    found, complaints = [], ""
    for name in names or ["-"]:
        text = process.stdin if name == "-" else files.read(process, name)
        if text is None:
            said = {"head": f"cannot open '{name}' for reading", "tail": f"cannot open '{name}' for reading"}
            said |= {"sort": f"cannot read: {name}"}
            complaints += f"{who}: {said.get(who, name)}: No such file or directory\n"
        else:
            found.append((name, text))
    return found, complaints


def _filter(who: str, doing: Callable[[list[str], Options], Iterator[str]]) -> Callable[[Process], Running]:
    """A program out of a function from lines to lines; every file that is named is one input after the other."""

    def program(process: Process) -> Running:
        yield from ()
        options, names = _read(process, who, who in ("head", "tail"))
        inputs, complaints = _inputs(process, who, names)
        many = len(names) > 1 and who in ("head", "tail") and "q" not in options
        pieces = inputs if who in ("head", "tail") else [("", "".join(text for _, text in inputs))]
        out = []
        for number, (name, text) in enumerate(pieces):
            head = f"{chr(10) if number else ''}==> {name} <==\n" if many else ""
            out.append(head + "".join(f"{line}\n" for line in doing(text.splitlines(), options)))
        return Result("".join(out), complaints, _trouble(who) if complaints else 0)

    program.__doc__ = doing.__doc__
    return program


# -- grep --------------------------------------------------------------------------------------------------------------


def pattern(text: str, extended: bool) -> str:
    """A POSIX pattern as Python's: in a basic one ``+ ? | ( ) { }`` mean themselves without a backslash before them."""
    out, at = "", 0
    while at < len(text):
        char, two = text[at], text[at : at + 2]
        if char == "[":
            bracket = BRACKET.match(text, at)
            if bracket is None:
                raise CommandError("grep: Unmatched [, [^, [:, [., or [=\n", 2)
            inner = re.sub(r"\[:(\w+):\]|([\[\\])", lambda m: CLASSES.get(m[1] or "", f"\\{m[2]}"), bracket[2])
            out += f"[{bracket[1]}{inner}]"
            at = bracket.end()
        elif char == "\\" and len(two) == 2:
            special = two[1] in "+?|(){}"
            out += (two if extended else two[1]) if special else {"\\<": r"\b", "\\>": r"\b"}.get(two, two)
            at += 2
        else:
            first = char == "*" and (not out or out.endswith(("(", "|")))
            out += f"\\{char}" if first or (not extended and char in "+?|(){}") else char
            at += 1
    return out


def grep(process: Process) -> Running:
    """``grep [-ivcEFownqx] [-A N] [-B N] [-C N] PATTERN [FILE...]``: the lines that fit; 1 where none does."""
    yield from ()
    options, words = _read(process, "grep", False)
    if "e" not in options and not words:
        raise CommandError("Usage: grep [OPTION]... PATTERNS [FILE]...\nTry 'grep --help' for more information.\n", 2)
    wanted = _pattern(options.get("e") if "e" in options else words.pop(0), options)
    inputs, complaints = _inputs(process, "grep", words)
    out, hit = "", False
    for name, text in inputs:
        said, found = _grepped(text.splitlines(), wanted, options, f"{name}:" if len(words) > 1 else "")
        out, hit = out + said, hit or found
    code = 0 if hit and ("q" in options or not complaints) else 2 if complaints else 1
    return Result("" if "q" in options else out, complaints, code)


def _pattern(text: str | None, options: Options) -> re.Pattern[str]:
    parts = [re.escape(t) if "F" in options else pattern(t, "E" in options) for t in (text or "").split("\n")]
    whole = "|".join(f"(?:{part})" for part in parts)
    whole = rf"(?<!\w)(?:{whole})(?!\w)" if "w" in options else rf"^(?:{whole})$" if "x" in options else whole
    try:
        return re.compile(whole, re.ASCII | (re.IGNORECASE if "i" in options else 0))
    except re.error:
        raise CommandError("grep: Invalid regular expression\n", 2) from None


def _grepped(lines: list[str], wanted: re.Pattern[str], options: Options, prefix: str) -> tuple[str, bool]:
    hits = [n for n, line in enumerate(lines) if bool(wanted.search(line)) != ("v" in options)]
    hits = hits[: int(options["m"])] if options.get("m", "").isdigit() else hits
    if "c" in options:
        return f"{prefix}{len(hits)}\n", bool(hits)
    if "o" in options:
        found = [(n, m.group()) for n in hits for m in wanted.finditer(lines[n]) if m.group() and "v" not in options]
        return "".join(f"{prefix}{f'{n + 1}:' if 'n' in options else ''}{text}\n" for n, text in found), bool(hits)
    before, after = (int(options.get(x, options.get("C", "0"))) for x in "BA")
    shown = sorted({n for hit in hits for n in range(max(hit - before, 0), min(hit + after + 1, len(lines)))})
    out, context = "", before or after
    for at, n in enumerate(shown):
        mark = ":" if n in hits else "-"
        out += "--\n" if context and at and shown[at - 1] != n - 1 else ""
        out += f"{prefix[:-1] + mark if prefix else ''}{f'{n + 1}{mark}' if 'n' in options else ''}{lines[n]}\n"
    return out, bool(hits)


# -- the others --------------------------------------------------------------------------------------------------------


def _head(lines: list[str], options: Options) -> Iterator[str]:
    """``head [-n N]``: the first ten lines, or N; -N leaves that many out at the end."""
    yield from lines[: int(options.get("n", "10"))]


def _tail(lines: list[str], options: Options) -> Iterator[str]:
    """``tail [-n N]``: the last ten lines, or N; +N begins with that line."""
    count = options.get("n", "10")
    start = int(count) - 1 if count.startswith("+") else max(len(lines) - abs(int(count)), 0)
    yield from lines[max(start, 0) :]


def _sort(lines: list[str], options: Options) -> Iterator[str]:
    """``sort [-nrufV] [-k N] [-t X]``: lines in order, by a field of theirs where asked."""
    field = int(re.match(r"\d+", options["k"])[0]) if re.match(r"[1-9]", options.get("k", "")) else 0  # type: ignore[index]

    def key(line: str) -> tuple[object, ...]:
        text = line if not field else _from_field(line, field, options.get("t"), "," in options["k"])
        text = text.upper() if "f" in options else text
        if "V" in options:
            return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|\D+", text))
        number = re.match(r"\s*(-?\d*\.?\d*)", text)
        return (float(number[1]) if number and re.search(r"\d", number[1]) else 0.0,) if "n" in options else (text,)

    kept = lines if "u" not in options else list({key(line): line for line in reversed(lines)}.values())
    last = [] if "u" in options else sorted(kept, reverse="r" in options)
    yield from sorted(last or kept, key=key, reverse="r" in options)


def _from_field(line: str, field: int, mark: str | None, only: bool) -> str:
    pieces = line.split(mark) if mark else re.findall(r"\s*\S+", line)
    return (mark or "").join(pieces[field - 1 : field if only else None])


def _uniq(lines: list[str], options: Options) -> Iterator[str]:
    """``uniq [-cdu]``: equal lines that follow each other are one."""
    for line, group in groupby(lines):
        count = len(list(group))
        if not ("d" in options and count == 1) and not ("u" in options and count > 1):
            yield f"{count:7} {line}" if "c" in options else line


def _cut(lines: list[str], options: Options) -> Iterator[str]:
    """``cut -d X -f LIST``, ``cut -c LIST``: some fields, or characters, of each line."""
    if "f" not in options and "c" not in options:
        raise CommandError("cut: you must specify a list of bytes, characters, or fields\n", 1)
    mark, spans = options.get("d", "\t"), _spans(options.get("f") or options.get("c", ""))
    for line in lines:
        pieces = line.split(mark) if "f" in options else list(line)
        if "f" in options and len(pieces) == 1:
            yield from () if "s" in options else (line,)
        else:
            kept = [piece for n, piece in enumerate(pieces, 1) if any(a <= n <= b for a, b in spans)]
            yield (mark if "f" in options else "").join(kept)


def _spans(text: str) -> list[tuple[float, float]]:
    found = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not re.fullmatch(r"\d+|\d*-\d+|\d+-", part):
            raise CommandError(f"cut: invalid field value '{part}'\n", 1)
        found.append((float(first or 1), float(last or "inf") if dash else float(first)))
    return found


def _wc(process: Process) -> Running:
    """``wc [-lwc]``: how many lines, words and bytes."""
    yield from ()
    options, names = _read(process, "wc")
    inputs, complaints = _inputs(process, "wc", names)
    rows = [(name, (text.count("\n"), len(text.split()), len(text.encode()))) for name, text in inputs]
    if len(names) > 1:
        rows.append(("total", tuple(map(sum, zip(*(counts for _, counts in rows), strict=True)))))  # type: ignore[arg-type]
    wanted = [n for n, letter in enumerate("lwc") if letter in options or not options]
    narrow = len(wanted) == 1 and len(rows) == 1
    width = 1 if narrow else 7 if not names else max(len(str(counts[2])) for _, counts in rows)
    out = "".join(
        " ".join([*(f"{counts[n]:{width}}" for n in wanted), *([name] if names else [])]) + "\n"
        for name, counts in rows
    )
    return Result(out, complaints, int(bool(complaints)))


def tr(process: Process) -> Running:
    """``tr [-ds] SET1 [SET2]``: one character for another, or none."""
    yield from ()
    options, words = _read(process, "tr")
    if len(words) < (1 if options else 2):
        raise CommandError("tr: missing operand\nTry 'tr --help' for more information.\n", 1)
    one, *rest = (_set(word) for word in words)
    text = process.stdin
    if "d" in options:
        return Result(text.translate({ord(char): None for char in one}))
    if rest:
        two = rest[0] + rest[0][-1:] * (len(one) - len(rest[0]))
        text = text.translate({ord(a): b for a, b in reversed(list(zip(one, two, strict=False)))})
    squeezed = (rest or [one])[0] if "s" in options else ""
    return Result("".join(char for n, char in enumerate(text) if not (n and char == text[n - 1] and char in squeezed)))


def _set(text: str) -> str:
    """``a-z``, ``\\n`` and ``[:upper:]`` written out."""
    names = {"upper": "A-Z", "lower": "a-z", "digit": "0-9", "alpha": "A-Za-z", "space": " \t\n\r\f\v"}
    text = re.sub(r"\[:(\w+):\]", lambda m: names.get(m[1], ""), text)
    text = re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t", "r": "\r"}.get(m[1], m[1]), text)
    return re.sub(r"(.)-(.)", lambda m: "".join(map(chr, range(ord(m[1]), ord(m[2]) + 1))), text)


def seq(process: Process) -> Running:
    """``seq [FIRST [STEP]] LAST``: whole numbers, one to a line."""
    yield from ()
    options, words = _read(process, "seq")
    if not words or len(words) > 3 or not all(re.fullmatch(r"-?\d{1,9}", word) for word in words):
        raise CommandError("seq: FIRST, STEP and LAST are whole numbers here\n", 1)
    numbers = [int(word) for word in words]
    first, step, last = {1: (1, 1, numbers[0]), 2: (numbers[0], 1, numbers[-1])}.get(len(words), tuple(numbers))
    if not step or abs(last - first) // abs(step) > 100_000:
        raise CommandError("seq: that are too many numbers\n", 1)
    found = list(map(str, range(first, last + (1 if step > 0 else -1), step)))
    width = max(map(len, found), default=0) if "w" in options else 0
    text = options.get("s", "\n").join(number.zfill(width) for number in found)
    return Result(f"{text}\n" if found else "")


head, tail, sort = _filter("head", _head), _filter("tail", _tail), _filter("sort", _sort)
uniq, cut = _filter("uniq", _uniq), _filter("cut", _cut)
wc = _wc
