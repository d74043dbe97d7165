"""``python -m tests.twin``: hold fresh clusters against the kernel for as long as you like (as root).

python -m tests.twin --for 600                     ten minutes of fresh seeds, of every kind of cluster
python -m tests.twin --of services --seed 17       this one cluster
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .test_twin import (
    SIDE_BY_SIDE,
    by_components,
    by_hand,
    by_policies,
    by_services,
    compare,
    of_both_families,
    on_any_ground,
    routed,
)

KINDS = {
    "services": by_services,
    "components": by_components,
    "policies": by_policies,
    "hand": by_hand,
    "families": of_both_families,
    "grounds": on_any_ground,
    "routed": routed,
}


def main(arguments: list[str]) -> int:
    """Returns how the program ends: 1 when something differs."""
    options = argparse.ArgumentParser(prog="python -m tests.twin", description=__doc__.partition("\n")[0])
    options.add_argument("--of", choices=KINDS, help="clusters of this kind only")
    options.add_argument("--seed", type=int, help="the cluster of this seed")
    options.add_argument("--for", dest="seconds", type=float, default=60.0, help="seconds to go on with fresh seeds")
    asked = options.parse_args(arguments)
    kinds = [KINDS[asked.of]] if asked.of else list(KINDS.values())
    fresh = ((kind, random.randrange(1 << 31)) for kind in itertools.cycle(kinds))
    drawn = fresh if asked.seed is None else iter([(kind, asked.seed) for kind in kinds])
    until, count, bad = time.monotonic() + asked.seconds, 0, 0
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(SIDE_BY_SIDE) as side_by_side:
        while time.monotonic() < until and (some := list(itertools.islice(drawn, SIDE_BY_SIDE))):
            places = [Path(directory) / f"{count + n}" for n, _ in enumerate(some)]
            for reports in side_by_side.map(lambda one, at: compare(one[0], one[1], at), some, places):
                count, bad = count + 1, bad + bool(reports)
                print(*reports, sep="\n\n", end="\n" if reports else "", flush=True)
    print(f"{count} clusters, {bad} of them differ")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
