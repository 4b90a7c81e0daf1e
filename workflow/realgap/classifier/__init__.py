"""The classifiers: networks, training and the files that hold them."""
