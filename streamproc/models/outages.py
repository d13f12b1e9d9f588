"""Which dependencies are away, and for how long any of them was. Passive: time comes in as an argument."""

from __future__ import annotations


class Outages:
    """Counts the time in which something that had been asked did not answer."""

    def __init__(self, unanswered: dict[str, str]) -> None:
        """Begin with dependencies, and our texts, that have not been asked yet: no outage, but a reason to wait."""
        self._away = dict(unanswered)
        self._since: float | None = None
        self._seconds = 0.0

    @property
    def reason(self) -> str | None:
        """Our text for one that is away; None while none is. May be asked by any thread."""
        return next(iter(self._away.copy().values()), None)

    def missed(self, who: str, why: str, now: float) -> bool:
        """One did not answer; whether an outage begins with it."""
        self._away[who] = why
        if self._since is not None:
            return False
        self._since = now
        return True

    def answered(self, who: str, now: float) -> bool:
        """One answered; whether the outage ends with it."""
        self._away.pop(who, None)
        if self._since is None or self._away:
            return False
        self._seconds = self.seconds(now)
        self._since = None
        return True

    def seconds(self, now: float) -> float:
        """How long outages have lasted until now, all of them together."""
        return self._seconds + (0.0 if self._since is None else now - self._since)
