"""TensorRT 8.2.1.8 as far as a builder sees it."""

from tensorrt_shape import (  # noqa: F401
    BuilderFlag,
    ConfigOld,
    EngineOld,
    Logger,
    NetworkDefinitionCreationFlag,
    OnnxParser,
    make_builder,
    make_runtime,
)

__version__ = "8.2.1.8"
Builder = make_builder(ConfigOld, __version__, explicit_needed=True)
Runtime = make_runtime(EngineOld)
