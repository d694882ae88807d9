"""Our own formats: every module and package in here holds one, an object ``FORMAT``, and nothing else names it."""
