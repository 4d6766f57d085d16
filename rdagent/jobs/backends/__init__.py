"""Where jobs run: ``docker`` is the real one, ``fake`` serves fast tests; ``base`` is the seam."""
