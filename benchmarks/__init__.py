"""Speed, memory and accuracy, each beside what one would use instead."""

import os

# As the command line does, before anything imports torch; see hscz.cli.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
