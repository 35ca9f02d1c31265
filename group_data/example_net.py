"""The hosts of example.net."""

mail_domain = "example.net"
