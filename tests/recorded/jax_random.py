"""Record what jax.random draws, as the oracle of tests/test_random.py.

Run in an environment with JAX (recorded with 0.10.2, default configuration):

    python tests/recorded/jax_random.py > tests/recorded/jax_random.json
"""

import jax
import numpy as np

SEEDS = (0, 1, 7, 2**31 - 1, 2**31, 2**32 - 1)


def words(values):
    """uint32 arrays as nested lists of int."""
    return np.asarray(values).astype(np.uint32).tolist()


def data(keys):
    """The key data of typed keys."""
    return words(jax.random.key_data(keys))


def main():
    """Print one JSON object."""
    recorded = {"jax": jax.__version__, "seeds": {}}
    for seed in SEEDS:
        key = jax.random.key(np.uint32(seed))
        recorded["seeds"][str(seed)] = {
            "key": data(key),
            "fold_in": {
                str(d): data(jax.random.fold_in(key, np.uint32(d)))
                for d in (0, 1, 12345, 2**32 - 1)
            },
            "split": data(jax.random.split(key, 5)),
            "bits": words(jax.random.bits(key, (3, 7))),
            "uniform": np.asarray(jax.random.uniform(key, (9,))).astype(float).tolist(),
            "normal": np.asarray(jax.random.normal(key, (9,))).astype(float).tolist(),
            "bernoulli": np.asarray(jax.random.bernoulli(key, 0.3, (16,))).tolist(),
        }
    with jax.enable_x64(True):
        key = jax.random.key(2**40 + 3)
        recorded["x64"] = {
            "seed": 2**40 + 3,
            "key": data(key),
            "uniform": np.asarray(jax.random.uniform(key, (9,), dtype=np.float64)).tolist(),
        }


if __name__ == "__main__":
    main()
