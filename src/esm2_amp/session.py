"""The session of a run: a user's mistake ends in one message, not in a traceback."""

from collections.abc import Iterator
from typing import Any

import click
from kedro.framework.cli.utils import KedroCliError
from kedro.framework.session import KedroSession
from kedro.validation import ParameterValidationError
from pydantic import ValidationError

from esm2_amp.errors import InputError
from esm2_amp.options import check_options


class UserError(KedroCliError):
    """An InputError as the command line shows it: its words in red, and the traceback only with `--verbose`."""

    def show(self, file: Any = None) -> None:
        """Print the message; with `--verbose` the traceback before it."""
        if self.VERBOSE_ERROR:
            super().show(file)
        click.secho(f"\nError: {self.message}", fg="red", err=True)


class Session(KedroSession):
    """Kedro's session, which also refuses unknown names after `--params=`."""

    def run(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run a pipeline; InputError and wrong parameters end as UserError."""
        try:
            return super().run(*args, **kwargs)
        except Exception as error:
            message = _message_for_user(error)
            if message is None:
                raise
            raise UserError(message) from error

    def load_context(self) -> Any:
        """Check the command line's parameters before anything reads them."""
        given = self.store.get("runtime_params") or {}
        if given:
            loader = self._get_config_loader()
            loader.runtime_params = {}
            check_options(given, loader["parameters"])
        return super().load_context()


def _message_for_user(error: BaseException) -> str | None:
    """The words of the mistake that caused an error, if it was a user's."""
    for cause in _causes(error):
        if isinstance(cause, InputError):
            return str(cause)
        if isinstance(cause, ParameterValidationError | ValidationError):
            return f"Parameters are wrong (see conf/base/parameters_*.yml, the environment's, or --params): {cause}"
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
