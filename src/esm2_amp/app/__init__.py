"""How the project runs under Kedro: options, checks, hooks and the session."""
