"""Training of pair networks, with Lightning."""

import logging

import lightning.pytorch

# Lightning gives its logger a handler and a level of its own when imported, whatever conf/logging.yml says.
logging.getLogger(lightning.pytorch.__name__).setLevel(logging.ERROR)
