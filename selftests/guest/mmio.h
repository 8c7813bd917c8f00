/* SPDX-License-Identifier: GPL-2.0 */
/* What mmio.S and the tests that use it agree on. */
#ifndef SELFTESTS_GUEST_MMIO_H
#define SELFTESTS_GUEST_MMIO_H

#include "exits.h"

/*
 * An instruction under test: three bytes (FORM_*, the width of its operand, its
 * length), then itself. Its operand is at %rbx, or where a string says.
 */
#define FORM_READS	1
#define FORM_WRITES	2
#define FORM_RSI	4		/* the operand is at %rsi */
#define FORM_RDI	8
#define FORM_REP	16
#define FORM_LOGIC	32		/* leaves AF undefined */
#define FORM_LOCK	64

#define FAULT_STUB	4		/* bytes of one vector's handler */
#define FAULT_VECTORS	32
#define PORT_FAULT	0x40		/* OUT: vector number port - PORT_FAULT was raised */

#endif
