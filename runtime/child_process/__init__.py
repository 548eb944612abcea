"""Processes of ours: started isolated, spoken to over pipes, pictures in shared memory."""
