"""Galaxy redshift PDFs and catalogues from multiband survey images.

Field stores, models and PDF cubes are the three artefacts; see `hscz.schema` for what they
hold and `hscz.config` for the settings of the stages that make them.
"""

__version__ = "0.1.0"
