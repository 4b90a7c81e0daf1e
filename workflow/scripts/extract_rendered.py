"""Write rendered scenes as a shard of real images: scripts.extract, and the one data set that is drawn."""

from realgap import rendered, steps
from scripts import extract

if __name__ == "__main__":
    steps.run(lambda: extract.extract(lambda name: rendered.load))
