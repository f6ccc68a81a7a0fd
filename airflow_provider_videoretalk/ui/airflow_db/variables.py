"""Airflow's Variables. Only those of this package are read."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from airflow.models.crypto import get_fernet
from airflow.models.variable import Variable
from sqlalchemy import func, or_, select

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def read_variables(
    session: Session,
    *,
    prefix: str,
    rest_from: str = "",
    rest_to: str = "",
    containing: Collection[str] = (),
    or_length: int = 0,
) -> Iterator[tuple[str, str | None]]:
    """The keys and values of the Variables whose keys begin with ``prefix``, by one query.

    A value is ``None`` if it cannot be decrypted: this process may lack the key.

    :param rest_from: the least of what follows the prefix, such as a day. Compares as many characters as it has
    :param rest_to: the greatest of it, compared in the same way
    :param containing: if there are any, only keys with one of these texts are read
    :param or_length: then also keys of this length
    """
    # The columns, since loading the model would decrypt and mask each value.
    statement = select(Variable.key, Variable._val, Variable.is_encrypted).where(
        Variable.key.startswith(prefix, autoescape=True)
    )
    if rest_from:
        statement = statement.where(func.substr(Variable.key, len(prefix) + 1, len(rest_from)) >= rest_from)
    if rest_to:
        statement = statement.where(func.substr(Variable.key, len(prefix) + 1, len(rest_to)) <= rest_to)
    if containing:
        parts = [Variable.key.contains(text, autoescape=True) for text in containing]
        statement = statement.where(or_(func.length(Variable.key) == or_length, *parts))
    for key, value, is_encrypted in session.execute(statement):
        yield key, _decrypted(value) if is_encrypted else value


def _decrypted(value: str | None) -> str | None:
    try:
        return None if value is None else get_fernet().decrypt(value.encode()).decode()
    except Exception:
        return None
