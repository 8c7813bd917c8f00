/* SPDX-License-Identifier: GPL-2.0 */
/* What state.S and state.c agree on. */
#ifndef SELFTESTS_GUEST_STATE_H
#define SELFTESTS_GUEST_STATE_H

#define STATE_RESULT	0x100	/* in the mailbox */

#endif
