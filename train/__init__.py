"""Making the model: labelled faces in, a fine-tuned network and its honest figures out."""
