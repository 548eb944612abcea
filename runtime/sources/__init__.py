"""Where pictures come from: a video, pictures, a camera, a stream, or the demo that needs none of these."""

from .open import open_source as open_source
from .source import Source as Source
