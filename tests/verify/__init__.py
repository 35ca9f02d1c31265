"""Post-deploy verification: proves from outside and on the host that every host of the inventory works.

It changes nothing on any host. With --mailbox it logs in and sends one message to that mailbox.
"""
