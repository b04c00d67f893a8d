"""docs/optim.md: every row of its tables has an example, and every name a row."""

import re
from pathlib import Path

from artifact_fn import optim

PAGE = (Path(__file__).parents[2] / "docs" / "optim.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (`[^|]+) \|", re.MULTILINE)
CODE = re.compile(r"^```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# Types, and parts of what has a row.
WITHOUT_ROW = {
    "Optimizer", "Rule", "RuleState", "Schedule", "Transform", "check_skips", "global_norm",
    "leafwise", "lowered", "schedules",
}  # fmt: skip


def rows() -> set[str]:
    return {name for row in ROW.findall(PAGE) for name in re.findall(r"`(\w+)", row)}


def test_every_row_has_an_example() -> None:
    code = "\n".join(CODE.findall(PAGE))
    assert len(rows()) > 40
    assert {name for name in rows() if not re.search(rf"\b{name}\(", code)} == set()


def test_every_name_has_a_row() -> None:
    assert set(optim.__all__) - rows() == WITHOUT_ROW
