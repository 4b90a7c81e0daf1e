"""The rendered views of tests/geometry, for the tests of the analysis as well."""

from tests.geometry.conftest import rendered  # noqa: F401
