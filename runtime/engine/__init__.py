"""TensorRT engines: built on the device that runs them, kept by what they depend on, never loaded when that changed."""
