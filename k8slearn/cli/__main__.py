"""``python -m k8slearn.cli`` is ``k8slearn``."""

import sys

from k8slearn.cli import main

sys.exit(main())
