"""The simulator's own schema is a part of Shopify's full one; so is everything the connector can send."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_client_schema,
    parse,
    validate,
)

from connectors.shopify import documents
from sandbox.shopify.execution import SCHEMA

CONTRACT = "shopify/contract/admin_graphql_2026-10.introspection.json.gz"


@cache
def full_schema(path: Path) -> GraphQLSchema:
    """The vendor's schema; it deprecates fields that its interfaces do not, which graphql-core refuses unless told."""
    found = json.loads(gzip.decompress(path.read_bytes()))
    return build_client_schema(found.get("data", found), assume_valid=True)


@pytest.fixture
def full(real: Path) -> GraphQLSchema:
    return full_schema(real / CONTRACT)


def differences(mine: Any, theirs: Any) -> list[str]:
    """What a type of the subset says that the full one does not."""
    if theirs is None or type(mine) is not type(theirs):
        return [f"{mine.name}: no such type"]
    if isinstance(mine, GraphQLEnumType):
        return [f"{mine.name}.{value}" for value in mine.values if value not in theirs.values]
    if isinstance(mine, GraphQLInputObjectType):
        wrong = [
            f"{mine.name}.{name}"
            for name, field in mine.fields.items()
            if name not in theirs.fields or str(field.type) != str(theirs.fields[name].type)
        ]
        needed = [
            f"{mine.name}.{name} is required"
            for name, field in theirs.fields.items()
            if str(field.type).endswith("!") and name not in mine.fields
        ]
        return wrong + needed
    if isinstance(mine, (GraphQLObjectType, GraphQLInterfaceType)):
        wrong = []
        for name, field in mine.fields.items():
            other = theirs.fields.get(name)
            if other is None or str(field.type) != str(other.type):
                wrong.append(f"{mine.name}.{name}: {field.type} / {other.type if other else None}")
                continue
            wrong += [
                f"{mine.name}.{name}({arg})"
                for arg, value in field.args.items()
                if arg not in other.args or str(value.type) != str(other.args[arg].type)
            ]
        return wrong
    return []


def test_subset_agrees_with_the_full_schema(full: GraphQLSchema) -> None:
    mine = {name: type_ for name, type_ in SCHEMA.type_map.items() if not name.startswith("__")}
    assert [line for name, type_ in mine.items() for line in differences(type_, full.type_map.get(name))] == []


@pytest.mark.parametrize(("name", "document"), documents.every_document())
def test_documents_are_valid_at_the_vendor_and_in_the_simulator(name: str, document: str, full: GraphQLSchema) -> None:
    parsed = parse(document)
    assert [str(error) for error in validate(full, parsed)] == []
    assert [str(error) for error in validate(SCHEMA, parsed)] == []
