"""A slow cable: a program that carries Ethernet frames between an interface and a new tap device.

    python3 wire.py INTERFACE TAP MILLISECONDS

Frames from the tap reach the interface after that time, frames in the other direction at once. So each round
trip takes that much longer. The kernel's netem would do the same, but many kernels are built without it. This
file uses only Python's standard library, because it is run as a program.
"""

import fcntl
import os
import select
import socket
import struct
import sys
import time
from collections import deque

_ETH_P_ALL = 3
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP, _PACKET_MR_PROMISC = 1, 1
_PACKET_VNET_HDR = 15
_PACKET_IGNORE_OUTGOING = 23
_TUNSETIFF, _TUNSETOFFLOAD = 0x400454CA, 0x400454D0
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_CHECKSUM, _TSO4, _TSO6 = 1, 2, 4

# The largest frame with its header: it may consist of many segments, which are split later.
_LARGEST = 1 << 17


def _open_interface(name: str) -> socket.socket:
    interface = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    # This header says which checksums and segments still have to be made, as usual between interfaces of one
    # machine. Both sides understand it, so it is forwarded unchanged.
    interface.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
    interface.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    interface.bind((name, _ETH_P_ALL))
    everything = struct.pack("iHH8s", socket.if_nametoindex(name), _PACKET_MR_PROMISC, 0, b"")
    interface.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, everything)
    interface.setblocking(False)
    return interface


def _open_tap(name: str) -> int:
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    fcntl.ioctl(tap, _TUNSETOFFLOAD, _CHECKSUM | _TSO4 | _TSO6)
    return tap


def carry(name: str, tap_name: str, delay: float) -> None:
    """Forward frames until killed. A frame that one side does not accept is lost, as on a cable."""
    interface, tap = _open_interface(name), _open_tap(tap_name)
    ends: list[int] = [interface.fileno(), tap]
    waiting: deque[tuple[float, bytes]] = deque()
    while True:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        ready = select.select(ends, [], [], pause)[0]
        try:
            if tap in ready:
                waiting.append((time.monotonic() + delay, os.read(tap, _LARGEST)))
            if interface.fileno() in ready:
                os.write(tap, interface.recv(_LARGEST))
            while waiting and waiting[0][0] <= time.monotonic():
                interface.send(waiting.popleft()[1])
        except OSError:
            # One end is down: the frame is lost.
            continue


if __name__ == "__main__":
    carry(sys.argv[1], sys.argv[2], float(sys.argv[3]) / 1000)
