"""Do the lines bend and do the shadows lie?"""
