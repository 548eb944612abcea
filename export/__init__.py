"""From a trained network to files that devices run, each checked before it leaves.

The package is also the Python API's function: `fer_edge.export(bundle, target=…, …)` calls `export.run.export`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .run import ExportResult


class _CallablePackage(ModuleType):
    """Importing a module of this package makes it `fer_edge.export`, in the function's place: so it is callable."""

    def __call__(self, *args: Any, **options: Any) -> ExportResult:
        from .run import export

        return export(*args, **options)


sys.modules[__name__].__class__ = _CallablePackage
