"""Selects that every request asks: put into the driver's words once, and asked of the driver itself.

SQLAlchemy takes five times as long for a statement as SQLite takes to answer it.
"""

from collections import namedtuple
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, Select
from sqlalchemy.types import TypeEngine

Turn = Callable[[Any], Any] | None


class Question:
    """A select with ``bindparam`` for what differs; none of them is a list.

    Args:
        statement: its columns have names of their own, by which the values of a row can be had.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]]):
        self._statement = statement
        self._worded: dict[str, _Worded] = {}

    def rows(self, connection: Connection, **values: Any) -> list[Any]:
        """Every row, as a tuple with names, of what the connection sees."""
        worded = self._worded.get(connection.dialect.name) or self._put(connection.dialect)
        driver = connection.connection.dbapi_connection
        assert driver is not None
        cursor = driver.cursor()
        try:
            cursor.execute(worded.text, worded.ordered(values))
            return [worded.row(found) for found in cursor.fetchall()]
        finally:
            cursor.close()

    def first(self, connection: Connection, **values: Any) -> Any | None:
        """The first row; None where there is none."""
        found = self.rows(connection, **values)
        return found[0] if found else None

    def _put(self, dialect: Dialect) -> "_Worded":
        compiled = self._statement.compile(dialect=dialect)
        assert compiled.positiontup is not None, "the drivers of the hub's databases count their parameters"  # type: ignore[attr-defined]
        names: list[str] = compiled.positiontup  # type: ignore[attr-defined]
        columns = self._statement.selected_columns
        worded = self._worded[dialect.name] = _Worded(
            text=str(compiled),
            names=tuple(names),
            fixed={name: value for name, value in compiled.params.items() if value is not None},
            turns_in=tuple(_turn_in(compiled.binds[name].type, dialect) for name in names),  # type: ignore[attr-defined]
            turns_out=tuple(_turn_out(column.type, dialect) for column in columns),
            kind=namedtuple("Row", columns.keys()),
        )
        return worded


@dataclass(frozen=True)
class _Worded:
    """A question in the words of one driver, and what turns values into its own and back."""

    text: str
    names: tuple[str, ...]
    fixed: dict[str, Any]
    turns_in: tuple[Turn, ...]
    turns_out: tuple[Turn, ...]
    kind: Any

    def ordered(self, values: dict[str, Any]) -> tuple[Any, ...]:
        given = {**self.fixed, **values}
        return tuple(
            turn(given[name]) if turn else given[name] for name, turn in zip(self.names, self.turns_in, strict=True)
        )

    def row(self, found: Sequence[Any]) -> Any:
        return self.kind._make(
            [turn(value) if turn else value for value, turn in zip(found, self.turns_out, strict=True)]
        )


def _turn_in(kind: TypeEngine[Any], dialect: Dialect) -> Turn:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _turn_out(kind: TypeEngine[Any], dialect: Dialect) -> Turn:
    return kind.dialect_impl(dialect).result_processor(dialect, None)
