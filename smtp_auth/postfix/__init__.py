"""Edits Postfix's configuration files as text, in place, as an administrator would.

The edits are made on the controller, not by `postconf -e` on the host. So a preview can show the exact bytes
that a deploy writes, comments inside a multi-line value or a service stay in place, and an edit needs no
command on the host. Before the result goes live, the host's own `postconf` must read the values that were
meant.

A file is a `str` decoded from latin-1: encoding it again restores every byte.
"""
