"""Write rendered scenes as a shard of real images: scripts.data_extract, and the one data set that is drawn."""

from realgap.rendering import dataset
from realgap.run import steps
from scripts import data_extract as extract

if __name__ == "__main__":
    steps.run(lambda: extract.extract(lambda name: dataset.load))
