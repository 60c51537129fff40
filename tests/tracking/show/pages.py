"""What is in a page."""

import base64
import json
import re

import numpy as np

EVENT = 2


def unpacked(value):
    if isinstance(value, dict) and "base64" in value:
        return np.frombuffer(base64.b64decode(value["base64"]), dtype="<" + value["type"]).reshape(
            value["shape"]
        )
    return {k: unpacked(v) for k, v in value.items()} if isinstance(value, dict) else value


def data_of(path):
    (block,) = re.findall(
        r'<script id="event" type="application/json">(.*?)</script>', path.read_text(), flags=re.DOTALL
    )
    return unpacked(json.loads(block))
