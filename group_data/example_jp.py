"""The hosts of example.jp."""

mail_domain = "example.jp"
