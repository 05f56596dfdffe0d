"""The hyperparameters of the training: a key, a type and a default each.

`pxl-pipeline deploy` registers the defaults; a run overrides them in [hyperparameters].
"""

from picsellia.types.schemas import LogDataType
from picsellia_cv_engine.core.parameters import Parameters


class TrainingHyperParameters(Parameters):
    def __init__(self, log_data: LogDataType) -> None:
        super().__init__(log_data=log_data)
        self.epochs = self.extract_parameter(["epochs"], expected_type=int, default=3)
        self.batch_size = self.extract_parameter(
            ["batch_size"], expected_type=int, default=8
        )
        # Larger images are scaled down until their longer side is this long, in pixels.
        self.image_size = self.extract_parameter(
            ["image_size"], expected_type=int, default=640
        )
        # Fixes the split and the order of the examples: the same seed, the same model.
        self.seed = self.extract_parameter(["seed"], expected_type=int, default=0)
        # The share that trains where fewer than three dataset versions are attached.
        self.train_set_split_ratio = self.extract_parameter(
            ["train_set_split_ratio"], expected_type=float, default=0.8
        )
