"""Processes of ours: started alone, spoken to over pipes, pictures in shared memory."""
