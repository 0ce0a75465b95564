"""Training of pair networks, with Lightning."""

import logging

import lightning.pytorch

# Lightning sets a handler and a level of its logger when it is imported, whatever conf/logging.yml has.
logging.getLogger(lightning.pytorch.__name__).setLevel(logging.ERROR)
