"""SIGKILL at every call to the disk and at random instants: nothing is different afterwards."""

import itertools
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from artifact_fn.runs.storage.checkpoint import ASIDE
from tests.faults.broken import BROKEN
from tests.faults.conftest import Server


def whole(server: Server, root: Path) -> dict[str, Any]:
    """The run that is never killed."""
    ended = server(root)
    assert ended["signal"] == 0, ended
    told: dict[str, Any] = ended["told"]
    assert "left" in told, told
    return told


def finished(server: Server, root: Path) -> dict[str, Any]:
    """What is left after one more attempt, that nobody kills; no litter is."""
    told = whole(server, root)
    assert not list(root.rglob(f"{ASIDE}*"))
    assert not list(root.rglob("*.aside"))
    assert not list(root.rglob("*.unused"))
    return told


def same(told: dict[str, Any], expected: dict[str, Any]) -> bool:
    return bool(told["left"] == expected["left"] and told["story"] == expected["story"])


def swept(server: Server, root: Path, points: list[tuple[int, str]]) -> int:
    """Kill at each of these points, then finish; how many runs came out otherwise."""
    expected = whole(server, root / "whole")
    wrong = 0
    for call, when in points:
        at = root / f"{call}-{when}"
        ended = server(at, call=call, when=when)
        # What a thread does may come later than the last call that was counted before.
        assert ended["signal"] == signal.SIGKILL or "left" in ended["told"], ended
        try:
            wrong += not same(finished(server, at), expected)
        except AssertionError:
            wrong += 1
    return wrong


def calls(server: Server, root: Path) -> list[str]:
    found: list[str] = whole(server, root)["calls"]
    return found


def test_killed_at_each_kind_of_call(server: Server, root: Path) -> None:
    """One point of each kind of call: early, in the middle and late in the run."""
    seen = calls(server, root / "calls")
    points = []
    for kind in dict.fromkeys(seen):
        at = [i for i, name in enumerate(seen) if name == kind]
        for call in {at[0], at[len(at) // 2]}:
            points += [(call, "middle" if kind == "write" else "before")]
    assert {"write", "fsync", "rename", "mkdir"} <= set(seen)
    assert swept(server, root, points) == 0


def test_killed_at_random_instants_again_and_again(server: Server, root: Path) -> None:
    draw = random.Random(0)
    kills, wrong = killed(server, root, draw, at_least=200)
    assert kills >= 200
    assert wrong == 0


def killed(server: Server, root: Path, draw: random.Random, *, at_least: int) -> tuple[int, int]:
    """Kill runs at random instants, each as often as it takes to finish: (kills, differences)."""
    began = time.monotonic()
    expected = whole(server, root / "whole")
    took = time.monotonic() - began
    kills = wrong = 0
    for i in itertools.count():
        if kills >= at_least:
            return kills, wrong
        at = root / f"run{i}"
        for _ in range(1000):
            ended = server(at, patience=draw.uniform(0.1, 0.8) * took)
            if ended["signal"]:
                kills += 1
                continue
            wrong += not same(ended["told"], expected)
            break
    raise AssertionError("unreachable")


@pytest.mark.campaign
def test_killed_at_every_call(server: Server, root: Path) -> None:
    seen = calls(server, root / "calls")
    points = [
        (call, when)
        for call, name in enumerate(seen)
        for when in ("before", "after", *(["middle"] if name == "write" else []))
    ]
    assert swept(server, root, points) == 0


@pytest.mark.campaign
def test_killed_two_thousand_times(server: Server, root: Path) -> None:
    kills, wrong = killed(server, root, random.Random(1), at_least=2000)
    assert (kills >= 2000, wrong) == (True, 0)


@pytest.mark.parametrize("name", BROKEN)
def test_the_sweep_notices_a_broken_build(name: str, root: Path) -> None:
    server = Server(broken=name)
    try:
        seen = calls(server, root / "calls")
        kind = "write" if name == "in place" else "rename"
        at = [i for i, call in enumerate(seen) if call == kind]
        points = [(call, "before") for call in at[2 :: len(at) // 6]]
        assert any(swept(server, root / str(i), [point]) for i, point in enumerate(points))
    finally:
        server.close()
