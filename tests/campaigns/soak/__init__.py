"""An accelerated soak: so many frames through a whole kiosk, and what that does to its memory.

`PYTHONPATH=tests python -m campaigns.soak --frames 200000`; see __main__.py.
"""
