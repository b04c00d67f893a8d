"""Benchmarks: `python -m tests.bench <name>`. Run one at a time, on a machine that does nothing else."""

import argparse

from tests.bench import environments
from tests.bench.tasks import TASKS

OTHERS = ("overhead", "memory", "coldstart", "ensemble", "setup")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("name", choices=[*TASKS, *OTHERS])
    parser.add_argument("--rounds", type=int, help="times that each competitor is measured")
    parser.add_argument("--device", default="cpu", help="where torch's competitors train")
    given = parser.parse_args()
    if given.name in TASKS:
        from tests.bench.race import race

        race(given.name, given.rounds or 15, given.device)
    elif given.name == "overhead":
        from tests.bench.overhead import overhead

        overhead(given.rounds or 15)
    elif given.name == "ensemble":
        from tests.bench.ensemble import ensemble

        ensemble(given.rounds or 7)
    elif given.name == "memory":
        from tests.bench.memory import memory

        memory()
    elif given.name == "coldstart":
        from tests.bench.coldstart import coldstart

        coldstart(given.rounds or 3)
    else:
        environments.setup()


if __name__ == "__main__":
    main()
