"""Settings of prediction, export, metrics and figures."""

from __future__ import annotations

import pytest

from hscz.config import parse
from hscz.errors import ConfigError


@pytest.mark.parametrize(
    ("section", "settings", "message"),
    [
        ("predict", {"calibrate": "platt"}, "calibrate is 'platt'; use none or pit"),
        ("predict", {"device": "gpu"}, "device is 'gpu'; use auto, cpu or cuda"),
        ("predict", {"precision": "half"}, "precision is 'half'; use auto, float32 or bfloat16"),
        ("predict", {"stand_in": {"us": "q"}}, "stand_in.us is 'q'; use u, us, g"),
        ("predict", {"stand_in": {"q": "u"}}, "stand_in has 'q'; use u, us, g"),
        ("export", {"formats": ["csv"]}, r"formats\[0\] is 'csv': .* unknown; use fits, parquet"),
        ("export", {"formats": ["fits", "fits"]}, r"formats is \['fits', 'fits'\]; name at least"),
        ("export", {"algorithm": "my-net"}, "algorithm is 'my-net'; write letters, digits and _"),
        ("evaluate", {"reference": []}, r"reference is \[\]; name at least one"),
        ("evaluate", {"z_edges": [1.0]}, r"z_edges is \[1.0\]; give increasing edges"),
        ("embed", {"method": "pcoa"}, "method is 'pcoa'; use umap, tsne or pca"),
        ("figures", {"formats": ["gif"]}, r"formats\[0\] is 'gif'; use png, pdf or html"),
    ],
)
def test_what_means_nothing_is_refused(section: str, settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"configuration: {section}.{message}"):
        parse({section: settings})
