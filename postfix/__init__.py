"""Postfix's configuration files as text that is edited in place, the way an administrator would.

The edits are made here and not by `postconf -e` on the host, so that a preview shows the very bytes
that a deploy writes, comments inside a multi-line value or a service stay where they are, and a
change costs no remote command of its own. The host's own `postconf` then has to read the result
as it was meant, before it goes live.

Files are handled as `str` decoded from latin-1, which gives every byte back as it was.
"""
