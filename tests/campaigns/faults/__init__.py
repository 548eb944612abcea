"""The fault campaign: a real kiosk that everything happens to, again and again.

`PYTHONPATH=tests python -m campaigns.faults`; see __main__.py.
"""
