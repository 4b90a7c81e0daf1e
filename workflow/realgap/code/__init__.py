"""Which definitions a step can reach, so that it runs again when one of them, and only then, has changed."""
