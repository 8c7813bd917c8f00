/* SPDX-License-Identifier: GPL-2.0 */
/* What time.S and the tests of clocks agree on: offsets in the mailbox. */
#ifndef SELFTESTS_GUEST_TIME_H
#define SELFTESTS_GUEST_TIME_H

#define TIME_OP		0x100	/* u32: what to do next */
#define TIME_INDEX	0x104	/* u32: MSR */
#define TIME_VALUE	0x108	/* u64: of the MSR; of RDTSCP, TSC_AUX; of OP_PAGE, the page */
#define TIME_TSC	0x110	/* u64 */
#define TIME_PAGE	0x118	/* what stood in the clock page at that time */
#define TIME_PAGE_BYTES	32

#define MCE_COUNT	0x140	/* u32: machine checks handled */
#define MCE_STATUS	0x144	/* u32: IA32_MCG_STATUS in the last */
#define MCE_KEEP	0x148	/* u32: not 0: leave it as it is */

#define OP_RDMSR	1
#define OP_WRMSR	2
#define OP_RDTSCP	3
#define OP_PAGE		4	/* as a guest reads kvmclock: page and TSC that belong together */
#define OP_SPIN		5	/* for ever */

#endif
