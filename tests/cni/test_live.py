"""Our plugins against the real ones, live: random configurations, the same calls, the same things left behind."""

from __future__ import annotations

import pytest

from .live import agree, call

RANGES = {"type": "host-local", "dataDir": "$TMP/ipam", "ranges": [[{"subnet": "10.1.0.0/24"}]]}


@pytest.mark.root
def test_a_live_case_is_compared_as_a_recorded_one_is() -> None:
    config = {"cniVersion": "1.0.0", "name": "knet", "type": "bridge", "isGateway": True, "ipam": RANGES}
    agree(
        [
            call("loopback", "ADD", config, CNI_IFNAME="lo"),
            call("host-local", "ADD", config),
            call("host-local", "ADD", config, "pod2"),
            call("host-local", "DEL", config),
        ]
    )
