#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Turns a bzImage into what Bochs can put straight into guest memory.

Usage: bootimage.py BZIMAGE OUT

OUT is the kernel laid out as it will stand in memory from KERNEL on, so that a
boot spends no time on firmware, boot loader or decompression.  ram_image() adds
command line and initrd to it; boot/rom.S starts the result and says why the file
is laid out in 128 KB blocks.
"""
import lzma
import struct
import subprocess
import sys
import zlib

BLOCK = 0x20000         # what Bochs hands out guest memory in
PARAMS = 0x800000       # boot_params; the same address stands in boot/rom.S
KERNEL = 0x1000000      # CONFIG_PHYSICAL_START of Debian's kernels
HUGE = 0x200000
PADDING = 16            # blocks: more than the firmware touches before the ROM runs
MARKER = b'VELLUMRM'
CMDLINE_MAX = 2047
CMDLINE_AT, TABLE_AT = 0x1000, 0x2000

# Offsets in the setup header: Documentation/arch/x86/boot.rst
SETUP_SECTS, JUMP_LEN, TYPE_OF_LOADER, RAMDISK, CMDLINE_PTR = 0x1f1, 0x201, 0x210, 0x218, 0x228
PAYLOAD, INIT_SIZE = 0x248, 0x260
HEADER_END = 0x290      # of the newest protocol; kept whole with the image


class ImageError(Exception):
    """The kernel image is not what this expects; the text says in which way."""


def payload(bzimage):
    """The ELF vmlinux inside a bzImage."""
    start = (bzimage[SETUP_SECTS] + 1) * 512
    offset, length = struct.unpack_from('<II', bzimage, PAYLOAD)
    packed = bzimage[start + offset:start + offset + length]
    if packed[:4] == b'\x28\xb5\x2f\xfd':
        # the last word is not part of the frame: it is the unpacked size
        done = subprocess.run(['zstd', '-dcq'], input=packed[:-4], check=True,
                              stdout=subprocess.PIPE)
        return done.stdout
    if packed[:6] == b'\xfd7zXZ\0':
        return lzma.LZMADecompressor().decompress(packed)
    if packed[:2] == b'\x1f\x8b':
        return zlib.decompress(packed, wbits=31)
    raise ImageError('its payload is packed with something other than xz, zstd or gzip')


def flatten(elf):
    """(entry point, memory from KERNEL on) of an ELF file's loadable segments."""
    entry, phoff = struct.unpack_from('<QQ', elf, 24)
    count, = struct.unpack_from('<H', elf, 56)
    memory = bytearray()
    for i in range(count):
        kind, _, offset, _, address, size = struct.unpack_from('<IIQQQQ', elf, phoff + 56 * i)
        if kind != 1 or not size:
            continue
        at = address - KERNEL
        if at < 0:
            raise ImageError(f'a segment lies at {address:#x}, below {KERNEL:#x}')
        memory.extend(bytes(max(0, at + size - len(memory))))
        memory[at:at + size] = elf[offset:offset + size]
    return entry, bytes(memory).rstrip(b'\0')


def pad(data):
    """data, filled up to whole blocks."""
    return data + bytes(-len(data) % BLOCK)


def prepare(bzimage):
    """The bytes of an image file: entry point, setup header, memory."""
    entry, memory = flatten(payload(bzimage))
    return struct.pack('<Q', entry) + bzimage[:HEADER_END] + memory


def ram_image(prepared, initrd, cmdline):
    """(file for Bochs's optramimage1, megabytes of memory that it needs)."""
    entry, = struct.unpack_from('<Q', prepared)
    header = prepared[8:8 + HEADER_END]
    memory = pad(prepared[8 + HEADER_END:])
    if len(cmdline) > CMDLINE_MAX:
        raise ImageError(f'the command line is longer than {CMDLINE_MAX} bytes')

    init_size, = struct.unpack_from('<I', header, INIT_SIZE)
    initrd_at = -(-(KERNEL + max(init_size, len(memory))) // HUGE) * HUGE
    params = bytearray(CMDLINE_AT)
    end = 0x202 + header[JUMP_LEN]
    params[SETUP_SECTS:end] = header[SETUP_SECTS:end]
    params[TYPE_OF_LOADER] = 0xff
    struct.pack_into('<II', params, RAMDISK, initrd_at, len(initrd))
    struct.pack_into('<I', params, CMDLINE_PTR, PARAMS + CMDLINE_AT)
    initrd = pad(initrd)

    table = struct.pack('<7I', entry, KERNEL, len(memory) // BLOCK,
                        initrd_at, len(initrd) // BLOCK, initrd_at + len(initrd), 0)
    first = bytes(params) + cmdline.encode().ljust(TABLE_AT - CMDLINE_AT, b'\0') + table
    marker = pad(MARKER)
    image = pad(first) + bytes(PADDING * BLOCK) + marker + memory + initrd + marker
    return image, (initrd_at + len(initrd) >> 20) + 48


def main():
    if len(sys.argv) != 3 or sys.argv[1].startswith('-'):
        print(__doc__)
        sys.exit(0 if '--help' in sys.argv else 2)
    with open(sys.argv[1], 'rb') as f:
        bzimage = f.read()
    try:
        image = prepare(bzimage)
    except ImageError as e:
        sys.exit(f'{sys.argv[1]} cannot be used: {e}')
    with open(sys.argv[2], 'wb') as f:
        f.write(image)


if __name__ == '__main__':
    main()
