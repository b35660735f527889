"""What multi-model-server calls for each model of a multi-model endpoint: an image names it by SAGEMAKER_HANDLER.

The server starts each model's workers as processes of their own with the model's folder on Python's path, so that each
finds the service that came with its bundle. The toolkit's own service adds `code/` to PYTHONPATH alone, which Python
has read by then.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sagemaker_inference.default_handler_service import DefaultHandlerService


class HandlerService(DefaultHandlerService):
    def initialize(self, context: Any) -> None:
        sys.path.insert(0, str(Path(context.system_properties["model_dir"]) / "code"))
        super().initialize(context)
