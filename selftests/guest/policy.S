/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guests whose MSR accesses somebody has rules for. In: %ebp = mailbox.
 */
#include "guest.h"

/* Reads the MSR in BASE into VALUE and SEED. */
GUEST msr_read
	.code32
	mov	MBOX_BASE(%ebp), %ecx
	rdmsr
	mov	%eax, MBOX_VALUE(%ebp)
	mov	%edx, MBOX_SEED(%ebp)
	out	%al, $PORT_DONE
	hlt
GUEST_END msr_read

/* Writes LANE to the MSR in BASE. */
GUEST msr_write
	.code32
	mov	MBOX_BASE(%ebp), %ecx
	mov	MBOX_LANE(%ebp), %eax
	xor	%edx, %edx
	wrmsr
	movl	$1, MBOX_VALUE(%ebp)
	out	%al, $PORT_DONE
	hlt
GUEST_END msr_write

/* Reads the MSR in BASE until STOP is set; COUNT says how often. */
GUEST msr_loop
	.code32
	mov	MBOX_BASE(%ebp), %ecx
1:	rdmsr
	incl	MBOX_COUNT(%ebp)
	mov	%eax, MBOX_VALUE(%ebp)
	cmpl	$0, MBOX_STOP(%ebp)
	je	1b
	out	%al, $PORT_DONE
	hlt
GUEST_END msr_loop
