/* SPDX-License-Identifier: GPL-2.0 */
/* Places in the guests of debug.S. */
#ifndef SELFTESTS_GUEST_DEBUG_H
#define SELFTESTS_GUEST_DEBUG_H

extern const char guest_steps_store[], guest_steps_last[];

#endif
