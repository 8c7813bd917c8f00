/* SPDX-License-Identifier: GPL-2.0 */
/* What exits.S and exits.c agree on. */
#ifndef SELFTESTS_GUEST_EXITS_H
#define SELFTESTS_GUEST_EXITS_H

#define EXITS_RESULT	0x100		/* in the mailbox: what the guest saw */
#define IO_PORT		0x40
#define IO_PORT_DX	0x1234
#define IO_VALUE	0x12345678
#define MMIO_GPA	0x8000000	/* in no slot */
#define MMIO_VALUE	0x1122334455667788

#endif
