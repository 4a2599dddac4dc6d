"""``python -m piotutor``: the same as the command ``piotutor``."""

from piotutor.cli import main

raise SystemExit(main())
