"""Statistics of small studies: what is measured on few units, said with intervals, verdicts and families.

The unit is one choice of the real images with one seed of the classifier. Basic intervals and tests are here;
the modules of this package hold the rest (workflow/docs/statistics.md says which to use when):

differences  between training sets, or of one number, over units and test images
rows         the rows of a study's table
verdicts     better, worse, equivalent, undecided, too few to say; what a study could have detected
shares       means of shares, whose bounds stay in [0, 1]
families     which of many cells stand out, with one error rate for all of them
exchange     permutation of a set against its control, beside a fixed reference
areas        the mean AUC over units, with the sampling of images
falls        how much of its accuracy above chance a classifier keeps
crossed      the variance of a mean over units that share their images; what the others build on
"""

from realgap.statistics.intervals import (
    auc,
    bootstrap_interval,
    holm,
    mean_interval,
    paired_difference,
    share_interval,
)

__all__ = [
    "auc",
    "bootstrap_interval",
    "holm",
    "mean_interval",
    "paired_difference",
    "share_interval",
]
