"""An instruction for a host: a key and a value. The value holds bytes, decoded from latin-1."""

Instruction = tuple[str, str]
