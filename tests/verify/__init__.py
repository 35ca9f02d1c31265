"""Post-deploy verification: proves from outside and from inside that every host of the inventory serves.

It changes nothing on any host. With --mailbox it logs in and sends one message to that mailbox.
"""
