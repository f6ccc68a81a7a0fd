"""A database session that belongs to no request, for work in a thread of these pages' own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from airflow.utils.session import create_session

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

T = TypeVar("T")


def call_with_session(function: Callable[[Session], T]) -> T:
    """The function's result. Its session is closed afterwards."""
    with create_session(scoped=False) as session:
        return function(session)
