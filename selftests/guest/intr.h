/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest that takes interrupts: a list of steps that the host writes, and a
 * handler for each of the 256 vectors that counts, keeps a log and says EOI.
 */
#ifndef SELFTESTS_INTR_H
#define SELFTESTS_INTR_H

/* In the mailbox page: */
#define INTR_STEP	0x20		/* u64: guest address of the next step */
#define INTR_HOOK	0x28		/* a vector whose handler says PORT_TICK; 0: none */
#define INTR_XAPIC	0x2c		/* EOI by MMIO instead of by MSR */
#define INTR_RESULTS	0x30		/* u64: guest address of the next result */
#define INTR_LOGGED	0x38		/* handlers run so far */
#define INTR_DEPTH	0x3c		/* handlers that stay open until the step EOI */
#define INTR_COUNTS	0x400		/* u32 for each vector */
#define INTR_LOG	0x800		/* u8: the vectors in the order of their handlers */
#define INTR_LOG_MAX	0x700

/* Steps of four u32: what, and its operands a, b, c. */
#define STEP_DONE	0		/* PORT_DONE; goes on behind it */
#define STEP_MMIO_WRITE	1		/* offset in the APIC's page, value */
#define STEP_MMIO_READ	2		/* offset; a result */
#define STEP_WRMSR	3		/* index, low, high */
#define STEP_RDMSR	4		/* index; a result */
#define STEP_STI	5
#define STEP_CLI	6
#define STEP_HLT	7		/* STI; HLT */
#define STEP_WAIT	8		/* until the counter of a is b at least; IF set */
#define STEP_CR8	9		/* := a */
#define STEP_READ_CR8	10		/* a result */
#define STEP_STORM	11		/* a self-IPIs of vector b, stack in new pages from c on */
#define STEP_STACK	12		/* := a */
#define STEP_TICK	13		/* PORT_TICK */
#define STEP_UD		14		/* UD2; its handler steps over it */
#define STEP_WAIT_NOT	15		/* spin until the u32 at a is not b; IF set */

#define STEP_SLEEP	16		/* HLT until the counter of a is b at least */
#define STEP_INT	18		/* INT 48h */
#define STEP_STI_ONE	17		/* IF is set for one instruction, which exits: CPUID */
#define STEP_CALL	19		/* the code at a, with RAX := b; EAX is a result */

#define INTR_STUB	16		/* offset of vector 0's stub; one every 16 bytes */
#define INTR_GDT_GPA	0x8000
#define INTR_IDT_GPA	0x9000
#define INTR_APIC_TABLE	0x14000		/* the page directory for the APIC's page */
#define INTR_RESULT_GPA	0x60000		/* 0x1000 for each vCPU */
#define INTR_START_GPA	0x70000		/* where SIPI starts */
#define INTR_START_MARK	0x100		/* offset there: CS when it ran */

#endif
