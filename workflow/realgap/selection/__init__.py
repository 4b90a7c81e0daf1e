"""Which of several candidates is kept: criteria and the choice, pure functions; imports streams alone."""

# criterion -> what it prefers, for readers
CRITERIA = {
    "utility": "hard images: predictions of high entropy within a band, the label still predicted",
    "attention": "images on which a classifier looks as it looks on real ones",
    "geometry": "images whose lines are not beyond those of harmless controls",
    "coverage": "images far from what is chosen already",
    "typicality": "images near the mean of the class's real images",
    "random": "none: the control",
}
