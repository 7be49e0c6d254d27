"""Settings: the sections of the one TOML file that describes a run, read and checked."""

from hscz.config.sections import (
    EmbedConfig,
    EvaluateConfig,
    ExportConfig,
    FieldConfig,
    FiguresConfig,
    ImagesConfig,
    IngestConfig,
    LabelConfig,
    PlanConfig,
    PredictConfig,
    RunConfig,
    StatedCounts,
    TableConfig,
    mock_field,
)

__all__ = [
    "EmbedConfig",
    "EvaluateConfig",
    "ExportConfig",
    "FieldConfig",
    "FiguresConfig",
    "ImagesConfig",
    "IngestConfig",
    "LabelConfig",
    "PlanConfig",
    "PredictConfig",
    "RunConfig",
    "StatedCounts",
    "TableConfig",
    "mock_field",
]
