"""What passes over a network interface: `record INTERFACE FILE` writes each packet of UDP there until its standard input ends, and
`replay INTERFACE FILE` sends each of them again as it was, with the address of who sent it first. Needs root.

A record is the length of a packet, with the headers of Ethernet, in four bytes, and the packet.
"""

import socket
import struct
import sys
import threading

# Kinds of packets to Linux: to this machine, between others (on a bridge), and from this one.
RECEIVED, PASSED_BY, SENT = 0, 3, 4
IP, UDP = 0x0800, 17
# Of Linux: all protocols, sent packets too; SO_RCVBUFFORCE.
ALL, RECEIVE_BUFFER = 3, 33


def is_udp(packet):
    return len(packet) > 42 and struct.unpack(">H", packet[12:14])[0] == IP and packet[23] == UDP


def record(wire, interface, file):
    # What is sent over the loopback is received there, too, and is wanted once.
    wanted = (SENT,) if interface == "lo" else (RECEIVED, PASSED_BY, SENT)
    with open(file, "wb", buffering=0) as out:
        while True:
            packet, (_, _, kind, _, _) = wire.recvfrom(65536)
            if kind in wanted and is_udp(packet):
                # The checksum is not there yet (the interface makes it); none at all is right, too.
                at = 14 + 4 * (packet[14] & 15) + 6
                packet = packet[:at] + bytes(2) + packet[at + 2 :]
                out.write(struct.pack(">I", len(packet)) + packet)


def replay(wire, file):
    with open(file, "rb") as recorded:
        while head := recorded.read(4):
            wire.send(recorded.read(struct.unpack(">I", head)[0]))


def main(what, interface, file):
    protocol = ALL if what == "record" else 0
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    wire.setsockopt(socket.SOL_SOCKET, RECEIVE_BUFFER, 64 << 20)
    wire.bind((interface, protocol))
    if what == "replay":
        return replay(wire, file)
    if what != "record":
        sys.exit(__doc__)
    threading.Thread(target=record, args=(wire, interface, file), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


main(*sys.argv[1:])
