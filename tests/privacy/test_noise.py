"""Noise: normal, the same for the same release, another for another, and of no use without the secret."""

import stat
from concurrent import futures

import numpy as np
import pytest
from scipy import stats

from realgap.privacy import noise

SECRET = bytes(range(32))


def test_it_is_standard_normal():
    drawn = noise.normal(SECRET, "a release", 200_000)
    assert stats.kstest(drawn, "norm").pvalue > 1e-3
    assert drawn.dtype == np.float64
    assert np.isfinite(drawn).all()


def test_the_same_release_has_the_same_noise_and_another_one_has_its_own():
    first = noise.normal(SECRET, "a release", 1000)
    np.testing.assert_array_equal(noise.normal(SECRET, "a release", 1000), first)
    for secret, about in ((SECRET, "another"), (SECRET[::-1], "a release")):
        other = noise.normal(secret, about, 1000)
        assert abs(stats.pearsonr(first, other).statistic) < 0.15


def test_a_secret_is_made_once_and_is_nobody_elses_to_read(tmp_path):
    path = tmp_path / "privacy" / "secret"
    with futures.ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: noise.secret(path), range(32)))
    assert len(found) == 1
    assert len(found.pop()) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert noise.secret(tmp_path / "other") != noise.secret(path)


def test_a_file_that_is_no_secret_is_one_line(tmp_path):
    (tmp_path / "secret").write_bytes(b"0")
    with pytest.raises(ValueError, match="must be a secret of 32 bytes; got 1$"):
        noise.secret(tmp_path / "secret")
