"""The one error a user's mistake raises: a wrong file, value or choice, told in words that say what to do."""


class InputError(ValueError):
    """Input that can't be used as it is.

    The message says what must hold, what arrived, where (file, row, column) and what to do. `kedro run` shows it
    without a traceback and ends with exit status 1; `--verbose` shows the traceback too.
    """
