"""Whether an answer is right; only right answers are timed."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

BLOCK = 16
"""Side of the squares in which an answer is compared with the definition."""


@dataclass(frozen=True)
class Finding:
    """One number that was checked, and the limit that it had to keep."""

    what: str
    value: float
    rule: Literal[">=", "<="]
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the limit is kept; not a number keeps none."""
        return self.value >= self.limit if self.rule == ">=" else self.value <= self.limit

    def record(self) -> dict[str, Any]:
        """Return the finding as it stands in result files, where infinity and NaN have no form."""
        return asdict(self) | {"value": self.value if math.isfinite(self.value) else None, "passed": self.passed}

    def __str__(self) -> str:
        return f"{self.what} is {self.value:.4g}, must be {self.rule} {self.limit:.4g}"


class Judge(Protocol):
    """Judges one method's answers to one case."""

    @property
    def given(self) -> tuple[Any, ...]:
        """What the method is called with, between the case and the threads."""

    def examine(self, answer: Any) -> list[Finding]:
        """Check a method's first answer from all sides."""

    def fault(self, answer: Any) -> str | None:
        """Say what is wrong with a later answer, or None: it has to be right again, if not to the bit."""
        wrong = [str(finding) for finding in self.examine(answer) if not finding.passed]
        return f"wrong answer when timed: {'; '.join(wrong)}" if wrong else None

    def quality(self) -> dict[str, Any]:
        """Return measures of how good the accepted answer is, as they stand in result files."""
        return {}
