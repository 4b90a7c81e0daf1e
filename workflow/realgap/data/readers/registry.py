"""How a user's own data sets are read: what each holds, without its pixels, and its pictures one by one.

A reader is two functions, an entry of each table. `take(root, classes, of)` gives a records.Inventory; classes None is
all, and `of(path, read)` says what `read` says of a file, once. `pictures(root, chosen, how)` yields (place among the
chosen, uint8 (h, w, 3)) in the order in which they are stored; how: keywords of reading.read.
"""

from collections.abc import Callable, Iterator

import numpy as np

from realgap.data.readers import arrays_of_hdf5, arrays_of_npz, files, members_of_tar, rows_of_parquet
from realgap.data.records import Inventory

TAKE: dict[str, Callable[..., Inventory]] = {
    "image_folder": files.of_folder,
    "csv": files.of_csv,
    "hdf5": arrays_of_hdf5.take,
    "parquet": rows_of_parquet.take,
    "webdataset": members_of_tar.take,
    "pathmnist": lambda *given: arrays_of_npz.take(*given, "pathmnist"),
    "chestmnist": lambda *given: arrays_of_npz.take(*given, "chestmnist"),
    "dermamnist": lambda *given: arrays_of_npz.take(*given, "dermamnist"),
    "octmnist": lambda *given: arrays_of_npz.take(*given, "octmnist"),
    "pneumoniamnist": lambda *given: arrays_of_npz.take(*given, "pneumoniamnist"),
    "retinamnist": lambda *given: arrays_of_npz.take(*given, "retinamnist"),
    "breastmnist": lambda *given: arrays_of_npz.take(*given, "breastmnist"),
    "bloodmnist": lambda *given: arrays_of_npz.take(*given, "bloodmnist"),
    "tissuemnist": lambda *given: arrays_of_npz.take(*given, "tissuemnist"),
    "organamnist": lambda *given: arrays_of_npz.take(*given, "organamnist"),
    "organcmnist": lambda *given: arrays_of_npz.take(*given, "organcmnist"),
    "organsmnist": lambda *given: arrays_of_npz.take(*given, "organsmnist"),
}
PICTURES: dict[str, Callable[..., Iterator[tuple[int, np.ndarray]]]] = {
    "image_folder": files.pictures,
    "csv": files.pictures_of_csv,
    "hdf5": arrays_of_hdf5.pictures,
    "parquet": rows_of_parquet.pictures,
    "webdataset": members_of_tar.pictures,
    "pathmnist": arrays_of_npz.pictures,
    "chestmnist": arrays_of_npz.pictures,
    "dermamnist": arrays_of_npz.pictures,
    "octmnist": arrays_of_npz.pictures,
    "pneumoniamnist": arrays_of_npz.pictures,
    "retinamnist": arrays_of_npz.pictures,
    "breastmnist": arrays_of_npz.pictures,
    "bloodmnist": arrays_of_npz.pictures,
    "tissuemnist": arrays_of_npz.pictures,
    "organamnist": arrays_of_npz.pictures,
    "organcmnist": arrays_of_npz.pictures,
    "organsmnist": arrays_of_npz.pictures,
}
