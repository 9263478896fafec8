"""What a document costs, and the bucket it is paid from.

Fitted to recorded answers: an object costs 1, scalars, money, errors and page info nothing, a mutation 10 with its
payload's own object included, a connection 2 and for each kind of node floor(2 ln n) for n nodes asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    value_from_ast_untyped,
)

from sandbox.state import SECOND, Json

MAX_COST = 1000
_FREE = ("MoneyBag", "MoneyV2", "PageInfo")


class Pricer:
    """Prices documents against a schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema

    def price(self, document: DocumentNode, variables: Mapping[str, Any]) -> int:
        """Points asked for. Introspection is free."""
        fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        operation = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
        walk = _Walk(self._schema, fragments, variables)
        if operation.operation is not OperationType.MUTATION:
            return max(1, walk.selection(operation.selection_set, self._schema.query_type))
        total = 0
        for field in operation.selection_set.selections:
            if isinstance(field, FieldNode) and field.selection_set:
                assert self._schema.mutation_type is not None
                payload = get_named_type(self._schema.mutation_type.fields[field.name.value].type)
                total += 10 + walk.payload(field.selection_set, payload)
        return total


class _Walk:
    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]
    ) -> None:
        self._schema, self._fragments, self._variables = schema, fragments, variables

    def payload(self, selection: SelectionSetNode, payload: Any) -> int:
        """A mutation's payload: its own objects are in the 10."""
        total = 0
        for field in selection.selections:
            if isinstance(field, FieldNode) and field.selection_set and field.name.value != "userErrors":
                total += self.selection(field.selection_set, get_named_type(payload.fields[field.name.value].type))
        return total

    def selection(self, selection: SelectionSetNode | None, parent: Any) -> int:
        total = 0
        for part in selection.selections if selection else ():
            if isinstance(part, InlineFragmentNode):
                inner = self._schema.get_type(part.type_condition.name.value) if part.type_condition else parent
                total += self.selection(part.selection_set, inner)
            elif isinstance(part, FragmentSpreadNode):
                fragment = self._fragments[part.name.value]
                total += self.selection(
                    fragment.selection_set, self._schema.get_type(fragment.type_condition.name.value)
                )
            elif isinstance(part, FieldNode) and part.selection_set and not part.name.value.startswith("__"):
                total += self._field(part, parent)
        return total

    def _field(self, field: FieldNode, parent: Any) -> int:
        kind = get_named_type(parent.fields[field.name.value].type)
        args = {arg.name.value: self._value(arg.value) for arg in field.arguments or ()}
        if kind.name.endswith("Connection"):
            return 2 + _times(args.get("first") or args.get("last") or 50) * self._node(field, kind)
        inner = self.selection(field.selection_set, kind)
        if kind.name in _FREE or kind.name.endswith("UserError"):
            return inner
        if isinstance(args.get("ids"), list):
            return len(args["ids"]) * (1 + inner)
        return (_times(args["first"]) if args.get("first") else 1) * (1 + inner)

    def _node(self, field: FieldNode, connection: Any) -> int:
        """What one node of a connection costs, through `nodes` or `edges { node }`."""
        total = 0
        for part in field.selection_set.selections if field.selection_set else ():
            if isinstance(part, FieldNode) and part.name.value == "nodes":
                total += 1 + self.selection(part.selection_set, get_named_type(connection.fields["nodes"].type))
            elif isinstance(part, FieldNode) and part.name.value == "edges":
                total += self._node_of_edges(part, connection)
        return total

    def _node_of_edges(self, edges: FieldNode, connection: Any) -> int:
        edge = get_named_type(connection.fields["edges"].type)
        return self.selection(edges.selection_set, edge)

    def _value(self, node: Any) -> Any:
        return self._variables.get(node.name.value) if isinstance(node, VariableNode) else value_from_ast_untyped(node)


def _times(count: int) -> int:
    return max(1, math.floor(2 * math.log(max(1, count))))


class Bucket:
    """Points that come back with time. The plan's figures are those of the recorded shop (Advanced)."""

    def __init__(self, most: float = 4000.0, rate: float = 200.0) -> None:
        self.most, self.rate = most, rate
        self.available = most
        self._at: int | None = None

    def take(self, cost: float, now: int) -> bool:
        """Pay, if there is enough."""
        if self._at is not None:
            self.available = min(self.most, self.available + self.rate * max(0, now - self._at) / SECOND)
        self._at = now
        if cost > self.available:
            return False
        self.available -= cost
        return True

    def told(self, requested: int, actual: int | None) -> Json:
        """The `cost` extension of an answer."""
        return {
            "requestedQueryCost": requested,
            "actualQueryCost": actual,
            "throttleStatus": {
                "maximumAvailable": int(self.most),
                "currentlyAvailable": int(self.available),
                "restoreRate": int(self.rate),
            },
        }
