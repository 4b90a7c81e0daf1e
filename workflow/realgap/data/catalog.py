"""What is known of the data sets by name before they are there: a plan needs it."""

import hashlib
from dataclasses import dataclass

from realgap.data import imagenet

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STL10 = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
IMAGENETTE = {
    "n01440764": "tench",
    "n02102040": "English_springer",
    "n02979186": "cassette_player",
    "n03000684": "chain_saw",
    "n03028079": "church",
    "n03394916": "French_horn",
    "n03417042": "garbage_truck",
    "n03425413": "gas_pump",
    "n03445777": "golf_ball",
    "n03888257": "parachute",
}
IMAGENET = imagenet.CLASSES
_CIFAR100 = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
    caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
    flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man
    maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree
    plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper
    snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train
    trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""
CIFAR100 = tuple(_CIFAR100.split())

RENDERED = ("room", "street", "boxes")
TEXTURES = ("brick", "grass", "gravel")
HISTOLOGY = ("unstained tissue", "partly stained tissue", "stained tissue")
# data sets that are there with the packages, or are drawn: dataset.root says nothing
SHIPPED = ("digits", "typeset", "rendered", "textures", "histology")

_ORGANS = (
    *("bladder", "femur-left", "femur-right", "heart", "kidney-left", "kidney-right", "liver", "lung-left"),
    *("lung-right", "pancreas", "spleen"),
)
# the two-dimensional data sets of MedMNIST (Yang et al. 2023) and their classes in the order of their labels
MEDMNIST: dict[str, tuple[str, ...]] = {
    "pathmnist": (
        *("adipose", "background", "debris", "lymphocytes", "mucus", "smooth muscle", "normal colon mucosa"),
        *("cancer-associated stroma", "colorectal adenocarcinoma epithelium"),
    ),
    "chestmnist": (
        *("atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia", "pneumothorax"),
        *("consolidation", "edema", "emphysema", "fibrosis", "pleural", "hernia"),
    ),
    "dermamnist": (
        *("actinic keratoses and intraepithelial carcinoma", "basal cell carcinoma", "benign keratosis-like lesions"),
        *("dermatofibroma", "melanoma", "melanocytic nevi", "vascular lesions"),
    ),
    "octmnist": ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
    "pneumoniamnist": ("normal", "pneumonia"),
    "retinamnist": ("0", "1", "2", "3", "4"),
    "breastmnist": ("malignant", "normal, benign"),
    "bloodmnist": (
        *("basophil", "eosinophil", "erythroblast"),
        "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)",
        *("lymphocyte", "monocyte", "neutrophil", "platelet"),
    ),
    "tissuemnist": (
        *("Collecting Duct, Connecting Tubule", "Distal Convoluted Tubule", "Glomerular endothelial cells"),
        *("Interstitial endothelial cells", "Leukocytes", "Podocytes", "Proximal Tubule Segments"),
        "Thick Ascending Limb",
    ),
    "organamnist": _ORGANS,
    "organcmnist": _ORGANS,
    "organsmnist": _ORGANS,
}
# a user's own data sets, and what dataset.root is of them
OWN = {
    "image_folder": "folder",
    "csv": "file",
    "hdf5": "file",
    "parquet": "folder or file",
    "webdataset": "folder or file",
    **dict.fromkeys(MEDMNIST, "file"),
}

# in the order of their labels
CLASS_NAMES: dict[str, tuple[str, ...]] = {
    "digits": DIGITS,
    "typeset": DIGITS,
    "cifar10": CIFAR10,
    "cifar100": CIFAR100,
    "stl10": STL10,
    "imagenette": tuple(IMAGENETTE.values()),
    "imagenet": tuple(IMAGENET.values()),
    "rendered": RENDERED,
    "textures": TEXTURES,
    "histology": HISTOLOGY,
}


def label(data_set: str, class_name: str) -> int:
    """The number of a class: its place among a published data set's classes, else one that follows from its name alone.

    63 bits, half of them the name's first letters, so that numbers are in the order of names where these differ.
    """
    if class_name in CLASS_NAMES.get(data_set, ()):
        return CLASS_NAMES[data_set].index(class_name)
    name = class_name.encode()
    return int.from_bytes(name[:4].ljust(4, b"\0") + hashlib.sha256(name).digest()[:4], "big") >> 1


# how many images a data set holds to test on, and to train on where that is no part of its own
TEST_IMAGES = {
    "digits": 1_797,
    "typeset": 500,
    "cifar10": 10_000,
    "cifar100": 10_000,
    "stl10": 8_000,
    "imagenette": 3_925,
    "imagenet": 50_000,
    "textures": 192,
    "histology": 126,
}

# training images of each class, in the order of labels; of digits also those that are tested on
TRAINING_IMAGES: dict[str, tuple[int, ...]] = {
    "digits": (178, 182, 177, 183, 181, 182, 181, 179, 174, 180),
    "typeset": (50,) * 10,
    "cifar10": (5_000,) * 10,
    "cifar100": (500,) * 100,
    "stl10": (500,) * 10,
    "imagenette": (963, 955, 993, 858, 941, 956, 961, 931, 951, 960),
    "rendered": (1_000,) * 3,
    "textures": (192,) * 3,
    "histology": (84, 102, 129),
}

# training images of a class, on average (of ImageNet-1k 1,281,167 in 1,000 classes), of a data set that everybody gets
# from its owners: for a plan before it is there. The numbers of its classes are counted where it lies.
COUNTED = {"imagenet": 1_281}


@dataclass(frozen=True)
class Archive:
    """Where a data set is published; marker: a file in it, below dataset.root, that says it is there."""

    url: str
    md5: str
    marker: str


# addresses and checksums as in torchvision 0.29 (a test compares them)
ARCHIVES: dict[str, Archive] = {
    "cifar10": Archive(
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        "c58f30108f718f92721af3b95e74349a",
        "cifar-10-batches-py/batches.meta",
    ),
    "cifar100": Archive(
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        "eb9058c3a382ffc7106e4002c42a8d85",
        "cifar-100-python/meta",
    ),
    "stl10": Archive(
        "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
        "91f7769df0f17e558f3565bffb0c7dfb",
        "stl10_binary/class_names.txt",
    ),
    "imagenette": Archive(
        "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz",
        "3df6f0d01a2c9592104656642f5e78a3",
        "imagenette2-320/noisy_imagenette.csv",
    ),
}
