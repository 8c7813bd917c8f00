/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What guest code and its host agree on: where things stand in guest memory,
 * the mailbox, the ports. Included by assembly too.
 *
 * Guest code is position-independent, stands between GUEST(name) and
 * GUEST_END(name), and is linked into the host program, which copies it.
 */
#ifndef SELFTESTS_GUEST_H
#define SELFTESTS_GUEST_H

/* Guest addresses in the slot for code, which is not logged. */
#define LOW_BYTES	0x100000
#define CODE_GPA	0x1000
#define TABLE_GPA	0x10000		/* page tables for long mode */
#define MBOX_GPA	0x20000		/* one page for each vCPU */
#define STACK_GPA	0x30000		/* one page for each vCPU */
#define SCRIPT_GPA	0x40000		/* to the end of the slot */

/* Guest address of the slot for data, which is logged. */
#define DATA_GPA	0x1000000

/* The mailbox: u32 fields at these offsets. */
#define MBOX_SCRIPT	0x00		/* writer: guest address of the list */
#define MBOX_COUNT	0x04		/* writer: entries; random: writes left, 0 for no end */
#define MBOX_VALUE	0x08		/* the last value written */
#define MBOX_STOP	0x0c		/* random: end when not zero */
#define MBOX_SEED	0x10		/* random: generator state, odd lanes differ */
#define MBOX_MASK	0x14		/* random: number of pages - 1, a power of two - 1 */
#define MBOX_BASE	0x18		/* random: guest address of the first page */
#define MBOX_LANE	0x1c		/* random: offset in the page, one for each vCPU */

#define SCRIPT_READ	1		/* bit in a script's entry: read, do not write */

#define PORT_DONE	0x10		/* OUT: the guest did what it was asked for */
#define PORT_TICK	0x11		/* OUT: one of many, for counting what it costs */

#ifdef __ASSEMBLER__

.macro GUEST name
	.section .rodata.guest, "a"
	.balign	16
	.globl	guest_\name
guest_\name:
.endm

.macro GUEST_END name
	.globl	guest_\name\()_end
guest_\name\()_end:
	.section .note.GNU-stack, "", @progbits
.endm

#else

#define DECLARE_GUEST(name)	extern const char guest_##name[], guest_##name##_end[]

#endif
#endif
