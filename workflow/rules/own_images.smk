# A user's own images: what there is of them, which parts they are in, and what is wrong with them before any job.


def gone():
    """Whether the data set lies here no more, and the study knows what it held: what is finished stays so."""
    return not os.path.exists(config["dataset"]["root"]) and os.path.exists(f"{OUT}/inventory.csv")


@cache
def own_images():
    """What the user's own data set holds, and its images by part and class; files are read once, and looked at in each
    run.
    """
    from realgap.data import inventory, own  # a quarter of a second, for those who need it

    dataset = config["dataset"]
    chosen = None if dataset["classes"] == counting.ALL else dataset["classes"]
    if gone():
        taken = inventory.known(f"{OUT}/inventory.csv", chosen)
    else:
        taken = inventory.take(dataset["name"], dataset["root"], chosen, groups=dataset["groups"])
    return taken, own.Parts(
        taken.images, own.Split(config["seed"], dataset["test_share"], dataset["validation_images_per_class"])
    )


@cache
def own_counts():
    """part -> class -> different images of it in the user's own data set; jobs elsewhere are told by the run itself."""
    dataset = {
        key: config["dataset"][key]
        for key in ("name", "root", "classes", "groups", "validation_images_per_class", "test_share")
    }
    told = (
        Path(".snakemake/realgap")
        / f"counts-{hashlib.sha256(json.dumps([dataset, config['seed']]).encode()).hexdigest()[:16]}.json"
    )
    if not workflow.is_main_process and told.exists():
        return json.loads(told.read_text())
    taken, parts = own_images()
    found = {
        part: {name: len(parts.of(part, name)) for name in taken.classes} for part in ("train", "validation", "test")
    }
    files.write(told, json.dumps(found).encode())
    return found


@cache
def counted_images():
    """class -> images that may be trained on, where what lies at dataset.root says so; None where it is known without.

    Where a published data set is not there yet, what a class has on average is enough for a plan: a run stops before its
    first job (fetching.smk).
    """
    if OWN:
        return own_counts()["train"]
    dataset = config["dataset"]
    if dataset["name"] not in catalog.COUNTED:
        return None
    from realgap.data import counted

    every = catalog.CLASS_NAMES[dataset["name"]]
    chosen = every if dataset["classes"] == counting.ALL else dataset["classes"]
    where = hashlib.sha256(f"{os.path.realpath(dataset['root'])} {sorted(chosen)}".encode()).hexdigest()[:16]
    told, state = (Path(".snakemake/realgap") / f"{kind}-{where}.json" for kind in ("counts", "folders"))
    there = os.path.exists(dataset["root"])
    if there and (workflow.is_main_process or not told.exists()):
        found = counted.training_images(dataset["name"], dataset["root"], chosen, state)
        files.write(told, json.dumps(found).encode())
    # jobs elsewhere are told by the run itself, and a finished study stays so without its data
    if not told.exists():
        about = catalog.COUNTED[dataset["name"]]
        print(f"dataset.root: {dataset['root']} is not there; {about:,} images a class are counted", file=sys.stderr)
        return None
    kept = dataset["validation_images_per_class"]
    return {name: count - kept for name, count in json.loads(told.read_text()).items()}


def own_tested():
    """class -> images of the user's own data set that are tested on, those that repeat others included."""
    most = config["dataset"]["test_images_per_class"]
    return {name: min(count, most or count) for name, count in own_counts()["test"].items() if name in PER_CLASS}


def refuse(error, where="dataset"):
    """End with one line that names a key; that of a data set may be one of another source."""
    said = error.strerror if isinstance(error, OSError) and error.filename is None else str(error)
    said = said.removeprefix("config: ")
    sys.exit(f"config: {re.sub(r'^dataset', where, said)}")


@cache
def own_parts():
    """The images of the user's own data set by part and class, as the study takes them."""
    return own_images()[1].trained_on(DATASET["images_per_class"])


@cache
def own_inventory():
    """What the user's own data set holds as a file for steps: they need not wait for another, nor look at it again."""
    return filed(own_parts().as_csv())


@cache
def imported(root, class_name):
    """Digest of a class in the folder of a source, whatever its files are called, and its number of images."""
    from realgap.data import inventory

    images = inventory.imported("hdf5" if os.path.isfile(root) else "image_folder", root, class_name)
    return inventory.digest(images), len(images)


def imported_of(wildcards):
    """Images of a class that a shard of a folder's source takes; queue entries are sized with any source."""
    class_name = CLASS_OF[wildcards.class_name]
    if counted_by_real(wildcards.source):
        return images_of(wildcards)
    return -(-imported(SOURCES[wildcards.source].settings["root"], class_name)[1] // shard_count(class_name))


def check_images():
    """Before any job: that there are enough of the user's own, and that a folder of other images has each class."""
    where = "dataset"
    try:
        if OWN:
            own_parts().check(CLASSES)
            configuration.check_tested(config, own_tested())
        for name in GENERATED:
            where = f"sources.{name}"
            for class_name in CLASSES if SOURCES[name].kind == "folder" else ():
                imported(SOURCES[name].settings["root"], class_name)
    except (ValueError, OSError) as error:
        refuse(error, where)
    if OWN and gone():
        print(
            f"dataset.root: {DATASET['root']} is not there; what is listed in {OUT}/inventory.csv counts",
            file=sys.stderr,
        )
    if OWN and own_images()[0].unread.count:
        print(f"dataset.root: not read in {DATASET['root']}: {own_images()[0].unread}", file=sys.stderr)
