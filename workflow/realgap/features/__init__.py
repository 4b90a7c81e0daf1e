"""Images as features of a network, shared by the analyses that compare sets of images."""
