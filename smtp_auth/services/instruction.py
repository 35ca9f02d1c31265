"""An instruction for a host: a key and a value, which holds bytes as latin-1 gives them."""

Instruction = tuple[str, str]
