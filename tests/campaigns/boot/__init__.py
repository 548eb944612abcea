"""The boot proof: a card made by `fer-edge flash`, booted in an emulated arm64 machine and watched from its console.

`make test-boot` runs it; plain `pytest` does not collect it, because its tests stand in boot_proof.py. docs/flash.md
says what it proves and what it cannot.
"""
