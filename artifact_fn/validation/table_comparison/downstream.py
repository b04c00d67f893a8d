"""Downstream: whether a model trained on the synthetic table works on the real one."""

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold

from artifact_fn.errors import ValidationError
from artifact_fn.validation.artifacts import Score
from artifact_fn.validation.table_comparison.encoded import Comparison, Encoded

FOLDS = 5


def train_synthetic_test_real(
    pair: Comparison, *, target: str, trees: int = 100, seed: int = 0
) -> dict[str, Score]:
    """How well a forest predicts one real column from the others, by what it was trained on.

    Args:
        pair: The two tables.
        target: The column to predict. Labels are scored by balanced accuracy, numbers by R^2.
        trees: Of the random forest.
        seed: Of the forest and the folds.

    Returns:
        `SYNTHETIC`: trained on the synthetic table, tested on the real one. `REAL`: trained and tested on
        the real one, in 5 folds; NaN below 5 rows.

    Raises:
        ValidationError: there is no such column, or no other one.
    """
    if target not in pair.spec.names or len(pair.spec.names) == 1:
        raise ValidationError(
            "one column is predicted from the others",
            got=f"target {target!r} among {', '.join(map(repr, pair.spec.names))}",
            do="name a column of a table that has others",
        )
    labels = target in pair.spec.categorical
    x, y = zip(*(_task(table, target) for table in (pair.real, pair.synthetic)), strict=True)
    make = RandomForestClassifier if labels else RandomForestRegressor

    def predicted(
        x: NDArray[np.float64], y: NDArray[np.float64], at: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        forest = make(n_estimators=trees, random_state=seed).fit(x, y)
        return np.asarray(forest.predict(at))

    answers = {"SYNTHETIC": _score(y[0], predicted(x[1], y[1], x[0]), labels=labels)}
    if len(pair.real) < FOLDS:
        return {**answers, "REAL": float("nan")}
    out = np.empty_like(y[0])
    for train, test in KFold(FOLDS, shuffle=True, random_state=seed).split(x[0]):
        out[test] = predicted(x[0][train], y[0][train], x[0][test])
    return {**answers, "REAL": _score(y[0], out, labels=labels)}


def _score(true: NDArray[np.float64], said: NDArray[np.float64], *, labels: bool) -> float:
    if not labels:
        return float(r2_score(true, said)) if len(true) > 1 else float("nan")
    # By hand: scikit-learn warns of predicted classes that the real table does not have.
    return float(np.mean([(said[true == label] == label).mean() for label in np.unique(true)]))


def _task(table: Encoded, target: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Features, one column a category, and the target."""
    parts, y = [], np.empty(0)
    for i, name in enumerate(table.spec.continuous):
        if name == target:
            y = table.numbers[:, i]
        else:
            parts.append(table.numbers[:, i : i + 1])
    for i, name in enumerate(table.spec.categorical):
        if name == target:
            y = table.codes[:, i].astype(np.float64)
        else:
            parts.append(np.eye(len(table.categories[i]))[table.codes[:, i]])
    return np.concatenate(parts, axis=1), y
