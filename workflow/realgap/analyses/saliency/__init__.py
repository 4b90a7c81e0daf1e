"""Where the classifiers look: Grad-CAM on real test images."""
