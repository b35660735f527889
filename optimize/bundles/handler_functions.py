"""A bundle's own handler, called as the inference toolkit calls it, without a server."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from optimize.arrays import Arrays
from optimize.bundles.messages import BOOT_ENVIRONMENT, FORMS, PAST_HOOKS, accept_for, forms_for, read_answer
from optimize.errors import UserError
from optimize.signature import Signature

HOW = "handler functions in a clean process"


class HandlerFunctions:
    """`model_fn` and `transform_fn` of a loaded handler."""

    how = HOW

    def __init__(self, module: ModuleType, model: Any, signature: Signature) -> None:
        self._module = module
        self._model = model
        self._signature = signature
        self.forms = forms_for(signature)

    def ask(self, inputs: Arrays, form: str) -> Arrays:
        accept = accept_for(form, self._signature)
        body = FORMS[form].write(inputs, self._signature)
        answer, content_type = self.send(body, f"{FORMS[form].content_type}; {PAST_HOOKS}", accept)
        return read_answer(answer, content_type, self._signature)

    def send(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """One request as it is; the answer's body and content type."""
        written = self._module.transform_fn(self._model, body, content_type, accept)
        return written if isinstance(written, tuple) else (written, accept)


def open_handler(folder: Path, signature: Signature) -> HandlerFunctions:
    """Import `code/inference.py` by the toolkit's rule (its folder is on the path) and load the model with it.

    For a process of its own: a second handler of the same module name would not be imported.
    """
    os.environ |= BOOT_ENVIRONMENT
    sys.path.insert(0, str(folder / "code"))
    module = importlib.import_module("inference")
    missing = [name for name in ("model_fn", "transform_fn") if not hasattr(module, name)]
    if missing:
        raise UserError(f"code/inference.py has no {', '.join(missing)}, which the inference toolkit calls")
    return HandlerFunctions(module, module.model_fn(str(folder)), signature)
