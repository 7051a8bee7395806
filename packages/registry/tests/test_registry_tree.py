"""Operations as trees of parents and children."""

from __future__ import annotations

import pytest

from hother.cancelable.registry import OperationRecord, OperationRegistry, RecordStatus, TreeNode
from hother.cancelable.registry.tree import tree_of

from . import shared
from .shared import each_view, listed, running, work


def drawn(nodes: list[TreeNode]) -> str:
    """Return trees as text."""
    below = [f"({drawn(node.children)})" if node.children else "" for node in nodes]
    return " ".join(f"{node.record.name}{children}" for node, children in zip(nodes, below, strict=True))


@each_view
async def test_trees(view: shared.View) -> None:
    """Operations stand under those that they were entered in or made for, oldest first."""
    origin = OperationRegistry()
    registry, root = view(origin), work("root", operation_id="root")
    left, right = work("left", operation_id="left", parent=root), work("right", operation_id="right", parent=root)
    leaf, other = work("leaf", parent=right), work("other")
    await listed(origin, root, left, right, leaf, other)
    async with running(root, left, right, leaf, other):
        assert drawn(await registry.tree()) == "root(left right(leaf)) other"
        assert drawn(await registry.tree("right")) == "right(leaf)"
        assert drawn(await registry.tree("left")) == "left"
        assert await registry.tree("nobody") == []


async def test_nested_blocks() -> None:
    """Operations that are entered inside one another make a branch; a detached one stands at the top."""
    registry = OperationRegistry()
    registry.track_all()
    try:
        async with work("a"), work("b"), work("c"), work("d", detached=True):
            assert drawn(await registry.tree()) == "a(b(c)) d"
    finally:
        registry.track_no_more()


async def test_a_parent_that_is_not_listed() -> None:
    """An operation whose parent is not listed stands at the top, and says who that is."""
    registry = OperationRegistry()
    async with work() as parent, work("child") as child:
        await listed(registry, child)
        [node] = await registry.tree()
        assert (node.record.name, node.record.parent_id) == ("child", parent.operation_id)
        assert await registry.list_operations(parent_id=parent.operation_id) == [node.record]


async def test_no_operations() -> None:
    """Without operations there is no tree."""
    assert await OperationRegistry().tree() == []


@pytest.mark.parametrize(
    ("parents", "expected"),
    [
        ("aa", "a"),
        ("ab ba", "a(b)"),
        ("ac ba cb", "a(b(c))"),
        ("ab ba ca dc", "a(b c(d))"),
        ("ca ab ba dd", "a(c b) d"),
        ("ba a", "a(b)"),
    ],
)
def test_ids_that_were_used_again(parents: str, expected: str) -> None:
    """Where ids lead in a circle, since one that was not listed was used again, each operation is there once."""
    records = [
        OperationRecord(each[0], each[0], RecordStatus.RUNNING, "w", parent_id=each[1:] or None)
        for each in parents.split()
    ]
    assert drawn(tree_of(records, None)) == expected
