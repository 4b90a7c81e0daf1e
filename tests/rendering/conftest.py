"""The rendered views of the geometry tests, looked at here too."""

from tests.geometry.conftest import rendered  # noqa: F401
