"""ARM, really: what the shipped graphs answer on ARM's kernels, run under qemu-user, beside this machine's answers.

`PYTHONPATH=tests python -m campaigns.arm`; see __main__.py.
"""
