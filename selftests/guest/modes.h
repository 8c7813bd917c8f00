/* SPDX-License-Identifier: GPL-2.0 */
/* What modes.S and modes.c agree on. */
#ifndef SELFTESTS_GUEST_MODES_H
#define SELFTESTS_GUEST_MODES_H

#define MODES_STACK	0x7000
#define MODES_LONG	0x123456789abcdef0
#define MODES_VALUE	0x5eaf00d
#define MODES_PAGES	0x30000		/* untouched */
#define MODES_PORT	0x41
#define MODES_STRING	0x3ff8		/* eight bytes before the end of a page */
#define MODES_STRING_BYTES	20

#endif
