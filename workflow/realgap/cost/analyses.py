"""The work of the steps that measure, beside those that make: networks counted, all else as it was measured.

Seconds are of one core and were measured on the study of photographs with 500 a class (5,000 real and 2 x 50,000
generated images of 32 px, 18 classifiers; workflow/docs/results.md).
"""

from collections.abc import Iterable
from dataclasses import replace

from realgap.cost.plan import Plan, Work
from realgap.study import limits, sources

_PAIR_S = 4.3e-7  # of two images whose distance is measured by features and by pixels
_FIDELITY_PAIR_S = 4.5e-8  # and for each resample
_DETECTION_S = 5e-4  # of an image of a set, each fold
_LINES_PIXEL_S = 6e-6  # of a pixel in which lines are sought
_JUDGED_S = 0.05  # of an image, at 32 px
_READ_S = 0.02  # of an image file that is read and made small
_RENDERED_S = 2.0  # of a scene
_ROW_S = 1e-5  # of a prediction that is tabulated
# forward FLOPs of an image (multiply-add 2) and features of the other extractors: Inception v3, ViT-B/14, ViT-L/14
_EXTRACTORS = {"inception": (11.4e9, 2048), "dinov2": (46e9, 768), "clip": (162e9, 768)}


class Analyses:
    """Work of each step of a study's analyses and tables. image sets: real, test, resampled, and sources."""

    def __init__(self, plan: Plan, sets: Iterable[str]) -> None:
        self.plan, self.config, self.sets = plan, plan.config, list(sets)
        self.real, self.tested = plan.real, max(plan.test_images(), plan.classes)
        self.classifiers = len(self.config["training_sets"]) * len(self.config["seeds"])
        self.forward, _, features, self.size, _ = plan.classifier()
        self.extract, self.features = _EXTRACTORS.get(self.config["features"]["extractor"], (self.forward, features))
        self.image_bytes = plan.image_bytes + 4 * self.features  # with its features

    def images(self, image_set: str) -> int:
        """Of a set."""
        return self.tested if image_set == "test" else self.plan.images(image_set)

    def read(self, images: int) -> Work:
        """Images that are read from files; one of each class where their number shows only then."""
        images = images or self.plan.classes
        return Work(images, disk_bytes=images * self.plan.image_bytes, **self._host(_READ_S * images, images))

    def screen(self, images: int, others: int) -> Work:
        """Images that are read and kept, and others that they are compared with."""
        return replace(self.read(images + others), images=images, disk_bytes=images * self.plan.image_bytes)

    def render(self, images: int) -> Work:
        """Scenes that are drawn."""
        return Work(images, disk_bytes=images * self.plan.image_bytes, **self._host(_RENDERED_S * images, images))

    def assemble(self, training_set: str) -> Work:
        """A training set, one shard after another."""
        images = self.plan.training_images(training_set)
        return Work(images, **self._host(1e-4 * images, self.plan.per_shard * 10))

    def tables(self) -> Work:
        """What reads every prediction, or figures and tables alone."""
        rows = self.classifiers * self.tested
        return Work(memory_bytes=8.0 * rows * (self.plan.classes + 4), host_s=180 + _ROW_S * rows)

    def extract_features(self, image_set: str) -> Work:
        """Of one set; another network than the classifier computes in fp32."""
        images = self.images(image_set)
        is_classifier = self.config["features"]["extractor"] == "classifier"
        rated = self.plan.rated(images * self.extract) if is_classifier else self._fp32(images * self.extract)
        # one shard's images at a time
        shard = self.plan.per_shard * max(1, images // self.real)
        memory = 3.0 * min(images, shard) * self.plan.image_bytes + 12.0 * images * self.features
        return Work(images, disk_bytes=4 * self.features * images, memory_bytes=memory, **rated)

    def measure_pilot(self) -> Work:
        """A few real images of each class through the VAE, and as many from prompts."""
        images = self.plan.classes * self.config["pilot"]["images_per_class"]
        source = sources.of(self.config)[sources.of_kind(self.config, "prompts")]
        coded, sampled = self.plan.encode_shard(images), self.plan.sample_shard(images, source, images)
        both = {key: getattr(coded, key) + getattr(sampled, key) for key in ("flops", "fp32_flops", "tf32_flops")}
        return replace(sampled, host_s=sampled.host_s + 60 + 1e-2 * images, disk_bytes=0, **both)

    def map_saliency(self, training_set: str = sources.REAL) -> Work:
        """Of one classifier: a pass forwards and backwards an image, and a hundred passes for faithfulness."""
        own, (forward, parameters, _, size, _) = self.config["saliency"], self.plan.classifier(training_set)
        images = own["images_per_class"] * self.plan.classes
        passes = 4 * images + 100 * own["faithfulness_images_per_class"] * self.plan.classes
        batch = limits.side_by_side(size, min(images, own["batch_size"])) * forward * 1e-2
        kept = self._memory(self.tested)["memory_bytes"] + 8 * parameters
        return Work(images, memory_bytes=kept + batch, node_bytes=kept, **self._fp32(passes * forward))

    def score_shard(self, images: int, source: str, of_class: int) -> Work:
        """Candidates and real images of the class, three passes each and maps; lines where a criterion wants them."""
        known, usual = sources.of(self.config), self.config["sampling"]["samples_per_image"]
        candidates = images * (1 if source == sources.REAL else known[source].samples_per_image(usual))
        seen = candidates + min(200, of_class)
        wants_lines = any(
            one.settings.get("of") == source and "geometry" in one.settings["criteria"]
            for one in known.values()
            if one.kind == "selection"
        )
        pixels = self.config["dataset"]["image_size"] ** 2 * seen * wants_lines
        kept = self._memory(seen)["memory_bytes"]
        batch_size = limits.side_by_side(self.size, min(seen, self.config["saliency"]["batch_size"]))
        batch = batch_size * self.forward * 1e-2
        rated = self._fp32(5 * seen * self.forward)
        rated["host_s"] = rated.get("host_s", 0.0) + _LINES_PIXEL_S * pixels
        return Work(candidates, memory_bytes=kept + batch, node_bytes=kept, **rated)

    def select_shard(self, images: int, source: str, of_class: int) -> Work:
        """What is kept of a shard's candidates; all scores of its class, of so many real images, are read."""
        # none where a study selects nothing: a profile's groups are sized for all rules
        of_slot = sources.of(self.config)[source].settings.get("candidates", 0)
        candidates = of_slot * of_class
        memory = 4.0 * candidates * self.features + 3.0 * images * of_slot * self.plan.image_bytes
        disk = images * self.plan.image_bytes
        return Work(images, disk_bytes=disk, memory_bytes=memory, host_s=30 + 1e-3 * candidates)

    def compare_saliency(self) -> Work:
        """Every map of every classifier."""
        maps = self.classifiers * self.config["saliency"]["images_per_class"] * self.plan.classes
        side = self.config["dataset"]["image_size"]
        return Work(memory_bytes=24.0 * maps * side * side, host_s=120 + 1e-2 * maps)

    def measure_fidelity(self) -> Work:
        """Pairs of images of each set and the reference, in all and class by class."""
        cut, own = self._cut(self.config["fidelity"]["images_per_class"]), self.config["fidelity"]
        pairs = cut**2 * (1 + 1 / self.plan.classes) * len(self.sets)
        seconds = _FIDELITY_PAIR_S * pairs * max(own["resamples"], 100)
        return Work(cut * len(self.sets), memory_bytes=24.0 * self._all() * self.features, host_s=seconds)

    def measure_detection(self) -> Work:
        """A classifier of features and one of pixels for each set and fold."""
        own = self.config["detection"]
        cut = self._cut(own["images_per_class"])
        seconds = _DETECTION_S * 2 * cut * own["folds"] * (1 + len(self.sets))
        return Work(cut, **self._memory(self._all(), 3 * cut * (1 + len(self.sets))), host_s=60 + seconds)

    def infer_membership(self) -> Work:
        """Each classifier on training images, and resamples of what it gives away."""
        own = self.config["memorisation"]
        images = self.classifiers * self.plan.classes * min(self.plan.smallest, own["members_per_class"])
        host_s = 1e-6 * self.classifiers * own["resamples"] * (self.tested + images / self.classifiers)
        return Work(images, **self._memory(self.real), **self.plan.rated(images * self.forward), host_s=host_s)

    def refer_audit(self, row: str) -> Work:
        """The pipeline of a row on half of the real images, and what its classifier says of all."""
        trained = replace(self.train_and_predict(row), images=self.real + self.tested)
        if row == sources.REAL:
            return trained
        drawn = self.plan.sample_shard(max(1, self.real // 2), sources.of(self.config)[row])
        both = {
            key: getattr(trained, key) + getattr(drawn, key)
            for key in ("flops", "fp32_flops", "tf32_flops", "host_s", "memory_bytes", "card_bytes")
        }
        return replace(trained, **both)

    def audit_memorisation(self) -> Work:
        """The nearest real images of the first variant of each generated one."""
        pairs = len(self.sets) * self.real * (self.real + 2 * min(self.real, self.tested)) + self.tested * self.real
        points = 8 * (self.tested + (3 + len(self.sets)) * self.real)  # pixels as float64
        return Work(self._all(), **self._memory(self._all(), points), host_s=60 + _PAIR_S * pairs)

    def diagnose_errors(self) -> Work:
        """Test images by their distance to the training data."""
        work = self.tables()
        memory = work.memory_bytes + self._memory(self.real + self.tested)["memory_bytes"]
        return Work(self.tested, memory_bytes=memory, host_s=work.host_s + _PAIR_S * self.tested * self.real)

    def measure_geometry(self, px: int) -> Work:
        """Lines of some images of each class, and of the real ones' three controls."""
        images = self._measured()
        return Work(images, **self._host(4 * images * (_LINES_PIXEL_S * px * px + 0.1), 4 * images, 3 * px * px))

    def judge_geometry(self, px: int) -> Work:
        """Classifiers of cues, cross-fitted, for each set and control."""
        images = self._measured() * (len(self.sets) + 4)
        return Work(images, **self._host(300 + _JUDGED_S * images * max(1, px / 64), images, 12 * min(px, 128) ** 2))

    def draw_overlays(self, px: int) -> Work:
        """Typical images of each source."""
        images = self._measured() * (len(self.sets) + 1)
        return Work(images, **self._host(300.0, images, 3 * px * px))

    def train_and_predict(self, training_set: str) -> Work:
        """A training of a row, and its test."""
        once = self.plan.train(training_set)
        return self._with_tests(1, once, once.images, self.plan.classifier(training_set)[0])

    def tune_transfer(self) -> Work:
        """A tuning for each number of frozen stages and share of the real images."""
        own = self.config["transfer"]
        seen = self.config["classifier"]["batch_size"] * own["steps"]
        return self._with_tests(
            len(own["frozen_stages"]) * len(own["fractions"]), self.plan.train("real"), seen, self.forward
        )

    def _with_tests(self, trainings: int, once: Work, seen: int, forward: float) -> Work:
        """So many trainings that see so many images each, in the memory of one, and their tests."""
        rated = self.plan.rated(trainings * (3 * seen + self.tested) * forward, trained=True)
        tests = self._memory(self.tested)["memory_bytes"]
        kept = {"memory_bytes": once.memory_bytes + tests, "node_bytes": (once.node_bytes or 0) + tests}
        return Work(trainings * seen, **kept, **rated)

    def _measured(self) -> int:
        return self.plan.classes * min(self.config["geometry"]["images_per_class"], self.plan.smallest)

    def _cut(self, per_class: int | None) -> int:
        """Images of a set when all are cut to the smallest class of any."""
        smallest = min(self.plan.smallest, -(-self.tested // self.plan.classes))
        return self.plan.classes * min(per_class or smallest, smallest)

    def _all(self) -> int:
        """Images of all sets together."""
        return sum(map(self.images, ["real", "test", *self.sets]))

    def _memory(self, images: int, more: float = 0.0) -> dict[str, float]:
        """Of images and their features, read and joined; more: bytes for each byte of an image that is worked on."""
        return {"memory_bytes": 2.0 * images * self.image_bytes + more * self.plan.image_bytes}

    def _host(self, seconds: float, images: int, image_bytes: int | None = None) -> dict[str, float]:
        """Work without a network: seconds of one core, and images as they are held three times."""
        return {"host_s": seconds, "memory_bytes": 3.0 * images * (image_bytes or self.plan.image_bytes)}

    def _fp32(self, work: float) -> dict[str, float]:
        rate = "tf32_flops" if self.config["compute"]["tf32"] else "fp32_flops"
        return {"flops": work, rate: work}
