"""A bundle's own handler, called as the inference toolkit calls it, without a server."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from optimize.arrays import Arrays
from optimize.bundles.messages import FORMS, accept_for, forms_for, read_answer
from optimize.errors import UserError
from optimize.signature import Signature

HOW = "handler functions in a clean process"


class HandlerFunctions:
    """`input_fn`, `predict_fn` and `output_fn` of a loaded handler."""

    how = HOW

    def __init__(self, module: ModuleType, model: Any, signature: Signature) -> None:
        self._module = module
        self._model = model
        self._signature = signature
        self.forms = forms_for(signature)

    def ask(self, inputs: Arrays, form: str) -> Arrays:
        accept = accept_for(form, self._signature)
        body = FORMS[form].write(inputs, self._signature)
        data = self._module.input_fn(body, FORMS[form].content_type)
        answer, content_type = self._module.output_fn(self._module.predict_fn(data, self._model), accept)
        return read_answer(answer, content_type, self._signature)


def open_handler(folder: Path, signature: Signature) -> HandlerFunctions:
    """Import `code/inference.py` by the toolkit's rule (its folder is on the path) and load the model with it.

    For a process of its own: a second handler of the same module name would not be imported.
    """
    code = folder / "code"
    sys.path.insert(0, str(code))
    module = importlib.import_module("inference")
    missing = [name for name in ("model_fn", "input_fn", "predict_fn", "output_fn") if not hasattr(module, name)]
    if missing:
        raise UserError(f"code/inference.py has no {', '.join(missing)}, which the inference toolkit calls")
    return HandlerFunctions(module, module.model_fn(str(folder)), signature)
