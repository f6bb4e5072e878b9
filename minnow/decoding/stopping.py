"""When a text ends: strings that end it, found across the borders of tokens."""

from collections.abc import Sequence

from minnow.errors import InputError

MAX_STRINGS = 64
MAX_LENGTH = 1_000


class StopStrings:
    """Text of one row on its way out, held back while its end may be the beginning of a stop string.

    What ``push`` gives never has to be taken back, and together with ``flush`` it is the text before the stop string
    that is whole first, of several with one end the longest, however the text is cut.

    Raises:
        InputError: a stop string is empty, or there are too many or too long ones.
    """

    def __init__(self, strings: Sequence[str] = ()):
        if any(not string for string in strings):
            raise InputError("a stop string must not be empty; leave it out")
        if len(strings) > MAX_STRINGS or any(len(string) > MAX_LENGTH for string in strings):
            raise InputError(
                f"there may be at most {MAX_STRINGS} stop strings of at most {MAX_LENGTH:,} characters, but got "
                f"{len(strings)} of up to {max(map(len, strings)):,}; give fewer or shorter ones"
            )
        self._strings = tuple(strings)
        self._held = ""
        self.stopped = False

    def push(self, text: str) -> str:
        """More text in, and out what cannot belong to a stop string; nothing once one has come."""
        if self.stopped or not self._strings:
            return "" if self.stopped else text
        self._held += text
        found = [(place + len(one), place) for one in self._strings if (place := self._held.find(one)) >= 0]
        if found:
            self.stopped = True
            _, begin = min(found)
            out, self._held = self._held[:begin], ""
            return out
        return self._release(self._undecided())

    def flush(self) -> str:
        """What is still held back, for the text ends here."""
        return self._release(0)

    def _undecided(self) -> int:
        """The length of the longest end of the held text with which a stop string begins."""
        longest = max(map(len, self._strings)) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            end = self._held[-length:]
            if any(string.startswith(end) for string in self._strings):
                return length
        return 0

    def _release(self, kept: int) -> str:
        cut = len(self._held) - kept
        out, self._held = self._held[:cut], self._held[cut:]
        return out
