"""Batches for `model.fit`: pictures and targets as NumPy arrays, made while the net computes."""

from __future__ import annotations

import keras
import numpy as np

from edge_runtime.preprocess import preprocess
from edge_runtime.spec import DetectorSpec
from train.augment import Augmentation
from train.data import Example, VocDataset, read_image
from train.targets import TargetEncoder


class TrainingBatches(keras.utils.PyDataset):
    """Shuffled, augmented batches of a data set; an incomplete last batch is left out.

    The order and the augmentation depend on seed, epoch and position only, so that a resumed
    training sees what the uninterrupted one would have seen.

    Raises: ValueError if the data set holds less than one batch.
    """

    def __init__(
        self,
        dataset: VocDataset,
        spec: DetectorSpec,
        augmentation: Augmentation,
        batch_size: int,
        seed: int,
        first_epoch: int = 0,
    ) -> None:
        # One worker keeps ahead of two cores' worth of training: MEASURED 2 to 4 ms a picture.
        super().__init__(workers=1, max_queue_size=4)
        if len(dataset) < batch_size:
            raise ValueError(
                f"at least one batch of {batch_size} pictures expected, {dataset.split} has "
                f"{len(dataset)}; lower --batch-size"
            )
        self.dataset, self.spec, self.augmentation = dataset, spec, augmentation
        self.batch_size, self.seed, self.epoch = batch_size, seed, first_epoch
        self.encoder = TargetEncoder(spec)

    def __len__(self) -> int:
        return len(self.dataset) // self.batch_size

    def on_epoch_end(self) -> None:
        self.epoch += 1

    def __getitem__(self, index: int):
        """Images (B, H, W, 3) float32 and {"logits": (B, N) int32, "offsets": (B, N, 5)}."""
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.dataset))
        rows = order[index * self.batch_size : (index + 1) * self.batch_size]
        samples = [self._sample(self.dataset[row], int(row)) for row in rows]
        images, classes, offsets = (np.stack(parts) for parts in zip(*samples, strict=True))
        positive = (classes > 0)[..., None].astype(np.float32)
        return images, {
            "logits": classes,
            "offsets": np.concatenate([offsets, positive], axis=-1),
        }

    def _sample(self, example: Example, row: int):
        rng = np.random.default_rng([self.seed, self.epoch, row])
        image = read_image(example.image_path)
        image, boxes, class_ids = self.augmentation.geometric(
            image, example.boxes, example.class_ids, rng, self.spec.input_hw
        )
        image = self.augmentation.photometric(image, rng)
        return preprocess(image, self.spec)[0], *self.encoder(boxes, class_ids)
