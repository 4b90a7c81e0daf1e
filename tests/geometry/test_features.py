import numpy as np

from realgap.geometry.features import field_features, pixel_features, segment_features, structure_features


def stripes(angle_deg, size=64):
    y, x = np.mgrid[:size, :size]
    phase = np.cos(np.radians(angle_deg)) * x + np.sin(np.radians(angle_deg)) * y
    return np.uint8(127 + 100 * np.sin(phase / 2))


def test_segment_features_are_padded_with_nothing_and_lie_within_the_frame():
    features = segment_features(stripes(30))
    there = features[:, 4] == 1
    assert features.shape == (250, 5)
    assert 0 < there.sum() < 250
    assert np.abs(features[there, :4]).max() <= 1.05
    assert (features[~there] == 0).all()


def test_the_orientation_field_of_stripes_is_twice_their_angle_and_ignores_contrast():
    field = field_features(stripes(30))
    inside = field[:, 4:-4, 4:-4].mean(axis=(1, 2))
    assert field.shape == (3, 32, 32)
    assert (
        np.degrees(np.arctan2(inside[1], inside[0])) / 2 == np.clip(30, 28, 32)
        or abs(np.degrees(np.arctan2(inside[1], inside[0])) / 2 - 30) < 2
    )
    faint = field_features(np.uint8(127 + (stripes(30).astype(float) - 127) / 4))
    assert np.abs(faint - field).mean() < 0.05


def test_feature_shapes_and_types():
    assert structure_features(stripes(0, 32)).shape == (6,)
    pixels = pixel_features(np.zeros((64, 64, 3), np.uint8))
    assert pixels.shape == (3, 32, 32)
    assert (pixels == -1).all()
    assert {f.dtype for f in (pixels, structure_features(stripes(0)), field_features(stripes(0)))} == {
        np.dtype("float32")
    }
