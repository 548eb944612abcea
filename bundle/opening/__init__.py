"""What is looked at before a bundle is believed: its files against the manifest, and the .zip that they may come in."""
