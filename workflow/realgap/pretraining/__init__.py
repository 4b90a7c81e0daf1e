"""How the shipped miniatures of Stable Diffusion are made.

No study imports it but for its captions, and for typeset digits as a data set.
"""
