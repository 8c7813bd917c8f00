/* SPDX-License-Identifier: GPL-2.0 */
/* What the guest paging.S and its test agree on. */
#ifndef SELFTESTS_GUEST_PAGING_H
#define SELFTESTS_GUEST_PAGING_H

#define PAGING_PDPT_GPA	0x18000
#define PAGING_PD_GPA	0x19000
#define PAGING_NO_TABLE	0x12345000

#endif
