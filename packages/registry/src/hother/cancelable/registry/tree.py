"""Operations as a tree of parents and children."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from hother.cancelable.core import require

from .records import OperationRecord


class TreeNode(NamedTuple):
    """An operation and those that were entered in it."""

    record: OperationRecord
    """The operation."""
    children: list[TreeNode]
    """The operations below it."""


def tree_of(records: Iterable[OperationRecord], root: str | None) -> list[TreeNode]:
    """Put operations under their parents.

    Args:
        records: What there is; one whose parent is not among them stands at the top.
        root: The id of the operation whose part of the tree is wanted; None for all of it.

    Returns:
        The operations at the top.

    Raises:
        TypeError: If the root is no string.
    """
    if root is not None:
        require(str, root, "root", "the id of an operation")
    nodes = {record.id: TreeNode(record, []) for record in records}
    top: list[TreeNode] = []
    seen: set[str] = set()
    for node in nodes.values():
        above = nodes.get(node.record.parent_id or "")
        if above is not None and above.record.id not in seen and _is_below(above, node, nodes):
            above = None
        (top if above is None else above.children).append(node)
        seen.add(node.record.id)
    if root is None:
        return top
    return [nodes[root]] if root in nodes else []


def _is_below(node: TreeNode, other: TreeNode, nodes: Mapping[str, TreeNode]) -> bool:
    """Tell whether parents lead from one operation to another, or to itself: an id may have been used again."""
    above: TreeNode | None = node
    for _ in nodes:
        if above is None or above is other:
            break
        above = nodes.get(above.record.parent_id or "")
    return above is other
