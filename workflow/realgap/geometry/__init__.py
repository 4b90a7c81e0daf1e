"""Projective geometry of images: do the lines meet where a camera would have them meet?"""

from realgap.geometry.vanishing import vanishing_points

__all__ = ["vanishing_points"]
