"""The study's own figures: a master's thesis of 2025, published without code, data or weights.

35,887 pictures of mixed origin at 256 x 256 pixels, of which 3,521 test; none of its sets can be had as it was.
"""

from __future__ import annotations

from collections.abc import Mapping

Spread = tuple[float, float, float]
"""Mean, least, greatest."""

TABLE_4: Mapping[str, tuple[float, float, float, int]] = {
    "angry": (0.91, 0.87, 0.89, 546),
    "disgust": (0.89, 0.91, 0.90, 572),
    "fear": (0.90, 0.90, 0.90, 594),
    "happy": (0.95, 0.97, 0.96, 590),
    "neutral": (0.81, 0.85, 0.83, 539),
    "sad": (0.91, 0.87, 0.89, 610),
    "surprise": (0.95, 0.96, 0.95, 535),
}
"""EfficientNet-B0 on the validation pictures: precision, recall, F1, pictures."""
TABLE_5: Mapping[str, Mapping[str, Spread]] = {
    "without augmentation": {
        "accuracy": (0.8944, 0.8539, 0.9157),
        "loss": (0.4447, 0.3706, 0.5289),
        "minutes": (78.47, 32.7, 174.0),
    },
    "with augmentation": {
        "accuracy": (0.9091, 0.8138, 0.9235),
        "loss": (0.3383, 0.2626, 0.5585),
        "minutes": (76.84, 21.5, 216.0),
    },
}
"""Its first 75 runs, on the validation pictures."""
TABLE_6: Mapping[str, Spread] = {
    "efficientnet_b0": (0.907677, 0.854742, 0.929503),
    "mobilenetv3_large_100": (0.899685, 0.853989, 0.916708),
    "mobilenetv3_rw": (0.903067, 0.875815, 0.921726),
    "resnet18": (0.908192, 0.813848, 0.927496),
}
"""Validation accuracy by backbone; mobilenetv3_small_100 is not in the table."""
TABLE_7 = {
    "backbone": "resnet18",
    "batch": 32,
    "learning_rate": 5e-5,
    "weight_decay": 5e-4,
    "dropout": 0.28,
    "augment": "v2",
    "epochs": 30,
    "patience": 3,
    "size": 256,
}
"""The best configuration, with Adam, cross-entropy and a cosine per step to 1e-6; also its Table 13."""
BEST_VALIDATION = 0.9167
TABLE_8: Mapping[str, tuple[float, float, float]] = {
    "angry": (0.92, 0.91, 0.92),
    "disgust": (0.90, 0.92, 0.91),
    "fear": (0.94, 0.90, 0.92),
    "happy": (0.96, 0.95, 0.96),
    "neutral": (0.82, 0.91, 0.86),
    "sad": (0.92, 0.85, 0.88),
    "surprise": (0.96, 0.96, 0.96),
    "macro": (0.92, 0.92, 0.92),
    "weighted": (0.92, 0.92, 0.92),
}
"""The best configuration on the test pictures: precision, recall, F1."""
TABLE_9_SEEDS = {42: 0.9167, 123: 0.9129, 101112: 0.9227}
TABLE_9 = {
    "three seeds, accuracy": (0.9174, 0.0041),
    "five folds, accuracy": (0.9181, 0.0036),
    "five folds, macro F1": (0.9182, 0.0037),
}
"""Mean and standard deviation; the F1 is the study's own, of which it does not say how it averages."""
TABLES_10_11 = {
    "female": 0.9167,
    "male": 0.9207,
    "skin F1": 0.8756,
    "skin F2": 0.9336,
    "skin F3": 0.9441,
    "skin F4": 0.9326,
    "young": 0.9312,
    "adult": 0.9130,
    "senior": 0.8235,
}
"""Accuracy on 700 test pictures, 100 a class, that were annotated for it."""
TABLE_12 = {"parameters": 11.2e6, "multiply-adds": 2.4e9, "ms a picture": 5.5}
"""ResNet-18 at 256 x 256 pixels; "2.4 GFLOPs" there are multiply-adds."""
TABLES_14_15 = {
    "processor": "Intel Core i7-10750H, 16 GB",
    "gpu": "NVIDIA GTX 1650 Ti, 4 GB",
    "system": "Windows 11",
    "python": "3.10",
    "torch": "2.7.0",
    "timm": "1.0.15",
    "albumentations": "2.0.8",
    "scikit-learn": "1.6.1",
    "mlflow": "2.22.1",
    "opencv-python-headless": "4.11",
}
