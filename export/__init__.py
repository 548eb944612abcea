"""From a trained network to files that devices run, each checked before it leaves."""
