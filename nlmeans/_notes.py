"""Notes: what a user should know of an image or a result, each with a code that decisions are made by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self


class Note(str):
    """A sentence for the user: a string whose ``code`` says which note it is, whatever numbers the text names.

    Parameters
    ----------
    code : str
        Which note it is, such as "correlated": the same whatever numbers the text names.
    text : str
        The sentence.

    Examples
    --------
    >>> from nlmeans.extend import Note
    >>> note = Note("dark", "the image is dark: 3 counts a pixel")
    >>> note.code, note
    ('dark', 'the image is dark: 3 counts a pixel')
    """

    code: str
    text: str

    def __new__(cls, code: str, text: str) -> Self:
        note = super().__new__(cls, text)
        note.code, note.text = code, text
        return note

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]  # str's own has no code
        return self.code, self.text


def noted(notes: Iterable[str], code: str) -> bool:
    """Whether a note of this code is among some; plain strings, as another package may have them, have none."""
    return any(getattr(note, "code", None) == code for note in notes)
