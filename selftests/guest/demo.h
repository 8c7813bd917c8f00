/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The demo guest's memory, as demo.S and its host (tools/demo.c) see it.
 *
 * Each vCPU has a mailbox and a range of pages of its own. A write to a page
 * raises its generation by one, and leaves a checksum of address and generation.
 * So at any instruction that ends a write: the mailbox's counter is the sum of
 * all generations, its total the sum of all checksums. A page that was lost on
 * the way, old, or copied twice breaks one of them.
 */
#ifndef SELFTESTS_GUEST_DEMO_H
#define SELFTESTS_GUEST_DEMO_H

#define DEMO_DATA_GPA	0x100000	/* code, tables and mailboxes stand below */

/* Page: u64 at these offsets; a checksum also stands at (generation & 255) * 8 + PAYLOAD. */
#define PAGE_GEN	0
#define PAGE_SUM	8
#define PAGE_PAYLOAD	16

#define DEMO_MUL	0x9e3779b97f4a7c15
#define DEMO_RNG_MUL	6364136223846793005
#define DEMO_RNG_ADD	1442695040888963407

/* Mailbox: u64 at these offsets. */
#define DEMO_BASE	0x00	/* guest address of the first page */
#define DEMO_PAGES	0x08
#define DEMO_HOT	0x10	/* the first so many pages get most writes */
#define DEMO_RNG	0x18
#define DEMO_COUNTER	0x20	/* writes so far */
#define DEMO_TOTAL	0x28
#define DEMO_SWEEP	0x30	/* the page that the slow sweep comes to next */
#define DEMO_EPOCH	0x38	/* writes between two reports */
#define DEMO_MASK	0x40	/* a write goes to the sweep if counter & mask is 0 */
#define DEMO_MARK	0x48	/* value that an MSR keeps all the time */

/* Ports, 32 bits wide. */
#define DEMO_PORT_COUNT	0x20	/* OUT: low half of the counter, after each epoch */
#define DEMO_PORT_CMD	0x24	/* IN: one of DEMO_CMD_* */
#define DEMO_PORT_BAD	0x28	/* OUT: what the check found: number of faults */

#define DEMO_CMD_GO	0
#define DEMO_CMD_CHECK	1

#endif
