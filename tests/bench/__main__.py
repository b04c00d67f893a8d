"""Benchmarks: `python -m tests.bench <name>`. Run one at a time, on a machine that does nothing else."""

import argparse

from tests.bench import environments
from tests.bench.tasks import TASKS

OTHERS = (
    "overhead",
    "diagnostics",
    "ensemble",
    "memory",
    "coldstart",
    "optim",
    "parallel",
    "validation",
    "runs",
    "demo-binary",
    "demo-table",
    "setup",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("name", choices=[*TASKS, *OTHERS])
    parser.add_argument("--rounds", type=int, help="times that each competitor is measured")
    parser.add_argument("--device", default="cpu", help="where torch's competitors train")
    parser.add_argument("--csv", help="the table of a demo, as artifact-torch's repository has it")
    given = parser.parse_args()
    if given.name in TASKS:
        from tests.bench.race import race

        race(given.name, given.rounds or 15, given.device)
    elif given.name == "overhead":
        from tests.bench.overhead import overhead

        overhead(given.rounds or 100)
    elif given.name == "diagnostics":
        from tests.bench.diagnostics import measure

        measure(given.rounds or 60)
    elif given.name == "ensemble":
        from tests.bench.ensemble import ensemble

        ensemble(given.rounds or 7)
    elif given.name == "memory":
        from tests.bench.memory import memory

        memory()
    elif given.name == "coldstart":
        from tests.bench.coldstart import coldstart

        coldstart(given.rounds or 3)
    elif given.name == "optim":
        from tests.bench import optim

        optim.main(list(optim.RULES), given.rounds or 20, threads=1)
    elif given.name == "parallel":
        from tests.bench.parallel import parallel

        parallel(given.rounds or 9)
    elif given.name == "validation":
        from tests.bench.validation import validation

        peer = environments.python("artifact-core")
        validation(None if peer is None else str(peer))
    elif given.name == "runs":
        from tests.bench.runs import runs

        runs(given.rounds or 9)
    elif given.name.startswith("demo-"):
        from tests.bench.demos.race import race as demo_race

        demo_race(given.name, given.csv, given.rounds or 1)
    else:
        environments.setup()


if __name__ == "__main__":
    main()
