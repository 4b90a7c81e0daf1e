"""The accuracies once reported, beside the study's own."""
