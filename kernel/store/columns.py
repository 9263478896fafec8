"""The few kinds of columns that tables are made of."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, String, text
from sqlalchemy.types import TypeDecorator


class Sealed(TypeDecorator[bytes]):
    """Bytes sealed by the vault, bound to their table and row (`store.seal` and `store.open`)."""

    impl = LargeBinary
    cache_ok = True


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def id_column(name: str = "id", **options: object) -> Column[str]:
    """32 hex digits."""
    return Column(name, String(32), **options)  # type: ignore[arg-type]


def at_column(name: str, nullable: bool = True) -> Column[int]:
    """An instant."""
    return Column(name, BigInteger, nullable=nullable)


def name_column(name: str, nullable: bool = False, **options: object) -> Column[str]:
    """A name or a code."""
    return Column(name, String(200), nullable=nullable, **options)  # type: ignore[arg-type]


def packed_column(name: str) -> Column[bytes]:
    """Ids as bare bytes, one behind the other."""
    return Column(name, LargeBinary, nullable=False)


def partial_index(name: str | None, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of only those rows that a condition picks."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


def among(*states: str, table: str = "") -> str:
    """The condition that a row is in one of some states, the same text in an index and in what is looked up by it.

    Not as IN: for three values or more SQLite would build a set of them anew with every row that an index is asked about.
    """
    column = f"{table}.state" if table else "state"
    return " OR ".join(f"{column} = '{state}'" for state in states)
