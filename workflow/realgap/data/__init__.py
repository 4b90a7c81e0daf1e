"""Real images: which data sets there are, how they are read and split, and sets made of them."""
