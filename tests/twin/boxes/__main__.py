"""``python -m tests.twin.boxes``: try fresh scenarios for as long as you like, and print what differs as scripts.

python -m tests.twin.boxes --for 600            ten minutes of fresh seeds
python -m tests.twin.boxes --seed 17            this one scenario
python -m tests.twin.boxes --seed 17 --print    only print it, as a script
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .compare import SIDE_BY_SIDE, Difference, differences, steps
from .draw import draw
from .real import Real, playable
from .scenario import Scenario
from .script import script
from .shrink import shrink

Found = tuple[int, Scenario, list[Difference]]


def main(arguments: list[str]) -> int:
    """Returns how the program ends: 1 when something differs."""
    asked = _options().parse_args(arguments)
    if asked.print:
        print(script(draw(asked.seed or 0)))
        return 0
    bad = count = 0
    for seed, scenario, found in _tried(asked):
        count += 1
        if found:
            bad += 1
            _report(seed, scenario, found, asked)
        if count % 50 == 0:
            print(f"# {count} scenarios, {bad} of them differ", file=sys.stderr, flush=True)
    print(f"{count} scenarios, {bad} of them differ")
    return int(bad > 0)


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m tests.twin.boxes", description=__doc__.partition("\n")[0])
    options.add_argument("--seed", type=int, help="try the scenario of this seed")
    options.add_argument("--count", type=int, default=0, help="with --seed: this many seeds from there on")
    options.add_argument("--for", dest="seconds", type=float, default=60.0, help="seconds to go on with fresh seeds")
    options.add_argument("--no-shrink", action="store_true", help="print what differs, and go on")
    options.add_argument("--print", action="store_true", help="print the scenario as a script, and do nothing")
    options.add_argument("--scripts", type=Path, help="write the scripts into this directory instead of printing them")
    return options


def _tried(asked: argparse.Namespace) -> Iterator[Found]:
    """Scenarios with what differs in them, many at a time."""
    fresh = iter(lambda: random.randrange(1 << 31), None)
    seeds = range(asked.seed, asked.seed + max(asked.count, 1)) if asked.seed is not None else fresh
    until = time.monotonic() + asked.seconds
    with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        waiting = [threads.submit(_try, seed) for seed in itertools.islice(seeds, SIDE_BY_SIDE)]
        rest = iter(seeds if asked.seed is None else range(asked.seed + SIDE_BY_SIDE, asked.seed + asked.count))
        while waiting:
            yield waiting.pop(0).result()
            if asked.seed is not None or time.monotonic() < until:
                waiting += [threads.submit(_try, seed) for seed in itertools.islice(rest, 1)]


def _try(seed: int) -> Found:
    scenario = playable(draw(seed))
    return seed, scenario, differences(scenario)


def _report(seed: int, scenario: Scenario, found: list[Difference], asked: argparse.Namespace) -> None:
    for one in found[: 1 if not asked.no_shrink else None]:
        print(f"\nseed {seed}: {one}", flush=True)
        if asked.no_shrink:
            continue
        small = shrink(scenario, one)
        print(small)
        print(steps(small, one))
        text = script(small, [one])
        if asked.scripts is None:
            print(text)
        else:
            asked.scripts.mkdir(exist_ok=True)
            (asked.scripts / f"{seed}.sh").write_text(text)


if __name__ == "__main__":
    Real.check()
    sys.exit(main(sys.argv[1:]))
