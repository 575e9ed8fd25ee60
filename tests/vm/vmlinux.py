# SPDX-License-Identifier: Apache-2.0
"""vmlinux.py VMLINUZ OUT: the kernel as an ELF file out of a compressed image.

A bzImage is a decompressor with the real kernel as its payload, at a place that only the payload's
magic number tells. Each candidate is tried; the first one that gives an ELF file is it.
"""
import lzma
import subprocess
import sys
import zlib


def gunzip(data):
    return zlib.decompressobj(wbits=31).decompress(data)


def unxz(data):
    return lzma.LZMADecompressor().decompress(data)


def by_tool(tool):
    def run(data):
        return subprocess.run([tool, "-dc"], input=data, capture_output=True).stdout

    return run


FORMATS = (
    (b"\xfd7zXZ\x00", unxz),
    (b"\x28\xb5\x2f\xfd", by_tool("zstd")),
    (b"\x1f\x8b\x08", gunzip),
)


def payload(image):
    for magic, unpack in FORMATS:
        at = image.find(magic)
        while at >= 0:
            try:
                kernel = unpack(image[at:])
            except (lzma.LZMAError, zlib.error):
                kernel = b""
            if kernel.startswith(b"\x7fELF"):
                return kernel
            at = image.find(magic, at + 1)
    sys.exit("vmlinux.py: no kernel in " + sys.argv[1])


with open(sys.argv[1], "rb") as source:
    kernel_elf = payload(source.read())
with open(sys.argv[2], "wb") as out:
    out.write(kernel_elf)
