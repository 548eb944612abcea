"""What each operating system's first boot asks for."""
