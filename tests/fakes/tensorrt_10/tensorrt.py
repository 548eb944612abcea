"""TensorRT 10.3.0 as far as a builder sees it."""

from tensorrt_shape import *  # noqa: F403
from tensorrt_shape import ConfigNew, EngineNew, make_builder, make_runtime

__version__ = "10.3.0"
Builder = make_builder(ConfigNew, __version__, explicit_needed=False)
Runtime = make_runtime(EngineNew)
