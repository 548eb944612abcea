"""Where a network's first weights come from: a backbone's file, a wider network, a finished bundle."""
