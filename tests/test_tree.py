"""Tree: records, maps, comparison and digests."""

import attrs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import TreeError


@tree.node
class Pair:
    """Two tensors."""

    a: Tensor
    b: Tensor


@attrs.frozen(eq=False)
class Foreign:
    """A record that is no node by birth."""

    inside: Tensor
    outside: str


tree.register(Foreign, ["inside"])

DTYPES = st.sampled_from([torch.float32, torch.float64, torch.int64, torch.bool, torch.complex64])
LEAVES = st.builds(
    lambda dtype, shape, value: torch.full(shape, value, dtype=torch.float64).to(dtype),
    DTYPES,
    st.lists(st.integers(0, 3), max_size=3),
    st.integers(0, 1),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.dictionaries(st.text("abc/", min_size=1, max_size=3), inner, max_size=3)
        | st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=6,
)


def test_a_node_is_frozen_and_a_pytree_of_its_fields() -> None:
    pair = Pair(torch.tensor(1), torch.tensor(2))
    with pytest.raises(AttributeError):
        pair.a = torch.tensor(3)  # type: ignore[misc]
    assert [leaf.item() for leaf in tree.leaves(pair)] == [1, 2]
    assert tree.map(torch.neg, pair).b.item() == -2


def test_replace_makes_a_new_record() -> None:
    pair = Pair(torch.tensor(1), torch.tensor(2))
    other = tree.replace(pair, a=torch.tensor(5))
    assert (pair.a.item(), other.a.item()) == (1, 5)
    assert other.b is pair.b


def test_replace_refuses_an_unknown_field() -> None:
    with pytest.raises(TreeError, match=r"Pair has no field 'c'; got .*c=.*; use one of a, b"):
        tree.replace(Pair(torch.tensor(1), torch.tensor(2)), c=torch.tensor(1))


def test_a_registered_record_is_a_tree_of_the_named_fields() -> None:
    moved = tree.map(torch.neg, Foreign(torch.tensor(1), "kept out"))
    assert moved.inside.item() == -1
    assert not hasattr(moved, "outside")


@given(TREES)
def test_flatten_and_unflatten_undo_each_other(value: object) -> None:
    leaves, spec = tree.flatten(value)
    assert tree.identical(tree.unflatten(leaves, spec), value)


@given(TREES, TREES)
def test_identical_and_digest_agree(a: object, b: object) -> None:
    copy = tree.map(torch.clone, a)
    assert tree.identical(a, copy)
    assert tree.digest(a) == tree.digest(copy)
    if tree.identical(a, b):
        assert tree.digest(a) == tree.digest(b)


@pytest.mark.parametrize(
    "other",
    [
        {"a": torch.tensor([1.0, 2.0]), "b": torch.zeros(())},
        {"a": torch.tensor([1.0, 3.0])},
        {"a": torch.tensor([1.0, 2.0], dtype=torch.float64)},
        {"a": torch.tensor([[1.0, 2.0]])},
        {"b": torch.tensor([1.0, 2.0])},
        [torch.tensor([1.0, 2.0])],
        {"a": [torch.tensor([1.0, 2.0])]},
        {"a": torch.tensor([1.0, 2.0]), "b": {}},
        {"a": torch.tensor([1, 2])},
    ],
)
def test_any_difference_is_noticed(other: object) -> None:
    value = {"a": torch.tensor([1.0, 2.0])}
    assert not tree.identical(value, other)
    assert tree.digest(value) != tree.digest(other)


def test_signed_zero_differs_and_nan_equals_itself() -> None:
    assert not tree.identical(torch.tensor(0.0), torch.tensor(-0.0))
    assert tree.identical(torch.tensor(float("nan")), torch.tensor(float("nan")))


def test_a_dict_may_be_filled_in_any_order() -> None:
    one, two = torch.zeros(2), torch.ones(3)
    assert tree.digest({"a": one, "b": two}) == tree.digest({"b": two, "a": one})
    assert tree.identical({"a": one, "b": two}, {"b": two, "a": one})


def test_a_leaf_without_bytes_is_refused() -> None:
    with pytest.raises(TreeError, match=r"got a leaf of type object; keep dense tensors"):
        tree.digest({"a": object()})


def test_paths_name_every_leaf() -> None:
    value = {"p": Pair(torch.tensor(1), torch.tensor(2)), "l": [torch.tensor(3)]}
    assert {k: v.item() for k, v in tree.paths(value).items()} == {"p/a": 1, "p/b": 2, "l/0": 3}


def test_containers_count_even_when_the_paths_agree() -> None:
    leaf = torch.zeros(1)
    kinds = [[leaf], (leaf,), {"0": leaf}, {0: leaf}, [leaf, []]]
    assert len({tree.digest(kind) for kind in kinds}) == len(kinds)
    assert not any(tree.identical(a, b) for a in kinds for b in kinds if a is not b)


def test_no_two_leaves_have_one_path() -> None:
    one, two, three = (torch.tensor(i) for i in (1, 2, 3))
    for a, b in [
        ({"a/b": one, "a": {"b": three}}, {"a/b": two, "a": {"b": three}}),
        ({1: one, "1": three}, {1: two, "1": three}),
        ({"a\\/b": one, "a/b": three}, {"a\\/b": two, "a/b": three}),
    ]:
        assert len(tree.paths(a)) == 2
        assert not tree.identical(a, b)
        assert tree.digest(a) != tree.digest(b)


def test_views_of_complex_numbers_have_bytes_and_empty_shells_do_not() -> None:
    number = torch.tensor([1 + 2j])
    assert tree.identical(number.conj(), torch.tensor([1 - 2j]))
    for shell in (torch.zeros(2, device="meta"), torch.eye(2).to_sparse()):
        with pytest.raises(
            TreeError, match=r"a leaf of type Tensor with torch.\w+ on \w+; keep dense"
        ):
            tree.digest(shell)
