"""From a picture to faces: detectors, tracker, smoothing."""
