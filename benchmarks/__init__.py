"""Measurements, each beside a peer in the same run."""

import os
import sys

# Whoever uses either side keeps what Python has compiled of it; some places that only build and test do not.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
