/* SPDX-License-Identifier: GPL-2.0 */
/* What counts.S and counts.c agree on. */
#ifndef SELFTESTS_GUEST_COUNTS_H
#define SELFTESTS_GUEST_COUNTS_H

#define COUNTED_CR	4	/* MOV to CR0 */
#define COUNTED_RDMSR	5
#define COUNTED_WRMSR	3
#define COUNTED_WBINVD	2
#define COUNTED_VMCALL	6
#define COUNTED_CPUID	7
#define COUNTED_MMIO	8
#define COUNTED_GPA	0x8000000	/* in no slot */

#endif
