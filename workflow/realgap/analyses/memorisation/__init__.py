"""Whether generated images repeat training images, and whether classifiers give away what they saw."""
