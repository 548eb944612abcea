"""TensorRT 8.6.1 as far as a builder sees it."""

from tensorrt_shape import *  # noqa: F403
from tensorrt_shape import ConfigNew, EngineNew, make_builder, make_runtime

__version__ = "8.6.1"
Builder = make_builder(ConfigNew, __version__, explicit_needed=True)
Runtime = make_runtime(EngineNew)
