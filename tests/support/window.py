"""What a test reads in the page of any browser."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from support.waiting import until


class Window(ABC):
    """A browser's one tab."""

    @abstractmethod
    def js(self, expression: str) -> Any:
        """The value of an expression in the page."""

    def text(self, selector: str) -> str:
        """What is read at a place, empty when it is hidden or not there."""
        seen = "(place => place?.checkVisibility() ? place.innerText : '')"
        return str(self.js(f"{seen}(document.querySelector({selector!r}))"))

    def sees(self, selector: str, words: str) -> None:
        """Wait until these words are there."""
        until(lambda: words in self.text(selector), f"{selector} says {words!r}, not {self.text(selector)!r}")
