"""Where the classifiers fail."""
