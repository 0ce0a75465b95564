"""The error that a user's mistake raises: a wrong file, value or choice, with words for what to do."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

SHOWN_PROBLEMS = 20
"""How many problems of one file a message lists before it counts the rest."""


class InputError(ValueError):
    """Input that can't be used as it is.

    The message says what must hold, what arrived, where (file, row, column) and what to do. `kedro run` shows it
    without a traceback and ends with exit status 1; `--verbose` shows the traceback too.
    """

    @classmethod
    def listing(cls, headline: str, problems: Sequence[str], total: int | None = None) -> "InputError":
        """One error for many problems: a headline, then a line each, the first `SHOWN_PROBLEMS` of them.

        Parameters
        ----------
        headline : str
            What is wrong as a whole.
        problems : sequence of str
            All of them, or the first ones.
        total : int, optional
            How many there are; by default those given.
        """
        lines = [f"  {problem}" for problem in problems[:SHOWN_PROBLEMS]]
        if (more := (total or len(problems)) - SHOWN_PROBLEMS) > 0:
            lines.append(f"  … and {more} more")
        return cls("\n".join([headline, *lines]))


class DivergedError(InputError):
    """A fit whose loss is no longer a finite number."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for a message about an unknown name: the nearest known one, or an empty text.

    Examples
    --------
    >>> did_you_mean("trainig", ["training", "results"])
    ' (did you mean training?)'
    """
    close = get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
