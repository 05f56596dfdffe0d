"""The parameters of the pipeline: a key, a type and a default each.

`pxl-pipeline deploy` registers the defaults; a run overrides them in its [parameters].
"""

from picsellia.types.schemas import LogDataType
from picsellia_cv_engine.core.parameters import Parameters


class ProcessingParameters(Parameters):
    def __init__(self, log_data: LogDataType) -> None:
        super().__init__(log_data=log_data)
        # The datalake that takes the new images, and the tag that they get there.
        self.datalake = self.extract_parameter(
            ["datalake"], expected_type=str, default="default"
        )
        self.data_tag = self.extract_parameter(
            ["data_tag"], expected_type=str, default="processed"
        )
