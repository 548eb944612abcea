"""Where a sweep's queue is kept: a file of this machine, or a database that several machines share."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

from ...bundle.extras import load
from ...errors import MissingExtra, UsageError

HEARTBEAT_S = 20
"""A trial whose machine has been silent for three of these is given to another."""
POSTGRESQL = "postgresql://"
TRIES = 3
"""Times that an empty database is opened: of two machines that make its tables at once, one is refused."""


def open_storage(url: str) -> Any:
    """Optuna's storage behind a URL, made where it is missing.

    Raises:
        MissingExtra: Optuna or the database's driver is absent; UsageError: there is no such kind of database, or it
        does not answer.
    """
    sqlalchemy = load("sqlalchemy", "train")

    if url.startswith(POSTGRESQL):  # else SQLAlchemy's version decides which driver it takes
        url = f"postgresql+psycopg://{url.removeprefix(POSTGRESQL)}"
        if find_spec("psycopg") is None:
            raise MissingExtra("psycopg", "postgresql")
    try:
        for _ in range(TRIES - 1):
            with suppress(sqlalchemy.exc.IntegrityError, sqlalchemy.exc.ProgrammingError):
                return _opened(url)
        return _opened(url)
    except (sqlalchemy.exc.SQLAlchemyError, ImportError, ValueError) as error:
        why = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise UsageError(
            f"the storage {shown(url)} cannot be opened: {why}",
            cause="nobody answers there, the login is another, or nothing here knows such a database",
        ) from error


def fail_silent(study: Any) -> None:
    """Mark as failed the study's trials whose machines have been silent for three heartbeats."""
    optuna = load("optuna", "train")
    with _unwarned(optuna):
        optuna.storages.fail_stale_trials(study)


@contextmanager
def _unwarned(optuna: Any) -> Iterator[None]:
    """Heartbeats are an experiment of Optuna's, which says so each time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def _opened(url: str) -> Any:
    optuna = load("optuna", "train")
    with _unwarned(optuna):
        return optuna.storages.RDBStorage(url, heartbeat_interval=HEARTBEAT_S, grace_period=3 * HEARTBEAT_S)


def shown(url: str) -> str:
    """A storage's URL for people: without its password."""
    from sqlalchemy.engine import make_url

    return str(make_url(url).render_as_string(hide_password=True))
