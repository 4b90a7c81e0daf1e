"""The accuracies once reported for CIFAR-10, beside the study's own."""

TITLE = "How do these numbers stand beside the reported ones?"
