"""Settings: the sections of the one TOML file that describes a run, read and checked.

What a key means stands below it, in `hscz info settings`, and in the reference of the settings.
"""

from hscz.config.fetch import FetchConfig, FieldFetch
from hscz.config.fields import (
    FieldConfig,
    ImagesConfig,
    IngestConfig,
    LabelConfig,
    TableConfig,
    mock_field,
)
from hscz.config.learn import (
    NETWORK_PRESETS,
    AdaptConfig,
    FlattenConfig,
    NetworkConfig,
    TrainConfig,
)
from hscz.config.mock import MockSettings
from hscz.config.read import load, parse
from hscz.config.recipes import ExperimentsConfig
from hscz.config.results import (
    EmbedConfig,
    EvaluateConfig,
    ExportConfig,
    FiguresConfig,
    NzConfig,
    PlanConfig,
    PredictConfig,
    StatedCounts,
)
from hscz.config.run import RunConfig

__all__ = [
    "NETWORK_PRESETS",
    "AdaptConfig",
    "EmbedConfig",
    "EvaluateConfig",
    "ExperimentsConfig",
    "ExportConfig",
    "FetchConfig",
    "FieldConfig",
    "FieldFetch",
    "FiguresConfig",
    "FlattenConfig",
    "ImagesConfig",
    "IngestConfig",
    "LabelConfig",
    "MockSettings",
    "NetworkConfig",
    "NzConfig",
    "PlanConfig",
    "PredictConfig",
    "RunConfig",
    "StatedCounts",
    "TableConfig",
    "TrainConfig",
    "load",
    "mock_field",
    "parse",
]
