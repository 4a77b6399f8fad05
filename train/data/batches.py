"""Training batches for `model.fit`: images and SSD targets, made while the net computes."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

import keras
import numpy as np

from edge_runtime.detector.interpreter import available_cores
from edge_runtime.detector.preprocess import preprocess
from edge_runtime.detector.spec import DetectorSpec
from edge_runtime.media.images import read_image
from train.data.augment import Augmentation
from train.data.dataset import DetectionDataset, Example
from train.data.targets import BACKGROUND, UNMINED, TargetEncoder

# Images (B, H, W, 3) float32 and {"logits": (B, N) int32, "offsets": (B, N, 5) float32}.
Batch: TypeAlias = tuple[np.ndarray, dict[str, np.ndarray]]


class TrainingBatches(keras.utils.PyDataset):
    """All batches of a training in one row: shuffled, augmented, epoch after epoch.

    A batch depends on the seed and its number only, so that a resumed training sees what the
    uninterrupted one would have seen. In one row, because Keras starts to fetch an epoch before it
    says that the last one is over. An epoch's incomplete last batch is left out.

    Args:
        mined_from: number of the epoch from which on negatives are BACKGROUND; before, UNMINED.
        part: (index, count): makes only this one of `count` equal parts of every batch.

    Attributes:
        steps_per_epoch: batches in an epoch.
        cpu_seconds: that pictures and targets have taken up to now, without the waiting for a core.
        failure: why a batch could not be made, None as long as all could.

    Raises: ValueError if the data set holds less than one batch.
    """

    def __init__(
        self,
        dataset: DetectionDataset,
        spec: DetectorSpec,
        augmentation: Augmentation,
        batch_size: int,
        seed: int,
        epochs: range,
        mined_from: int = 0,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        super().__init__()
        if len(dataset) < batch_size:
            raise ValueError(
                f"at least one batch of {batch_size} pictures expected, {dataset.split} has "
                f"{len(dataset)}; lower --batch-size"
            )
        self.dataset, self.spec, self.augmentation = dataset, spec, augmentation
        self.batch_size, self.seed, self.epochs = batch_size, seed, epochs
        self.mined_from = mined_from
        self.steps_per_epoch = len(dataset) // batch_size
        index, count = part
        self.part = slice(index * batch_size // count, (index + 1) * batch_size // count)
        self.encoder = TargetEncoder(spec)
        self.failure: Exception | None = None
        self.cpu_seconds = 0.0
        self._made_at: dict[int, float] = {}
        # Threads do: Pillow and NumPy let others run. Half the cores are left to the net.
        threads = max(1, available_cores() // 2)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="images")
        self._ahead = 2 * threads
        self._coming: dict[int, Future[Batch]] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self.epochs) * self.steps_per_epoch

    def __getitem__(self, index: int) -> Batch:
        """One batch; the next ones are begun meanwhile: Keras prefetches on TensorFlow only."""
        try:
            for number in range(index, min(index + 1 + self._ahead, len(self))):
                if number not in self._coming:
                    self._coming[number] = self._pool.submit(self._make, number)
        except RuntimeError:
            if self._closed:
                raise IndexError("these batches are closed; make others") from None
            return self._make(index)  # the interpreter is ending, and TensorFlow still asks
        return self._coming.pop(index).result()

    def close(self) -> None:
        """Make no further batch: whoever waits for one gets an error, and the threads end."""
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _make(self, index: int) -> Batch:
        start = time.thread_time()
        try:
            return self._batch(index)
        except Exception as error:  # Keras and its backend would rewrite it
            self.failure = error
            raise
        finally:
            self.cpu_seconds += time.thread_time() - start

    def _batch(self, index: int) -> Batch:
        nth, step = divmod(index, self.steps_per_epoch)
        epoch = self.epochs[nth]
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.dataset))
        rows = order[step * self.batch_size : (step + 1) * self.batch_size][self.part]
        samples = [
            self._sample(self.dataset[row], np.random.default_rng([self.seed, epoch, row]))
            for row in rows
        ]
        images, classes, offsets = (np.stack(parts) for parts in zip(*samples, strict=True))
        if epoch < self.mined_from:
            classes[classes == BACKGROUND] = UNMINED
        positive = (classes > 0)[..., None].astype(np.float32)
        targets = {"logits": classes, "offsets": np.concatenate([offsets, positive], axis=-1)}
        self._made_at[index] = time.perf_counter()
        self._made_at.pop(index - 1000, None)  # where none asks
        return images, targets

    def made_at(self, index: int) -> float:
        """Time at which a batch was ready, by time.perf_counter(); to be asked once."""
        return self._made_at.pop(index)

    def _sample(
        self, example: Example, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels as `preprocess` makes them, class targets and offset targets of one image."""
        image = read_image(example.image_path)
        image, boxes, class_ids = self.augmentation.geometric(
            image,
            example.boxes[example.single],
            example.class_ids[example.single],
            rng,
            self.spec.input_hw,
        )
        image = self.augmentation.photometric(image, rng)
        return preprocess(image, self.spec)[0], *self.encoder(boxes, class_ids)
