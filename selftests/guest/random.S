/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Flat 32-bit guest: writes an increasing counter to random pages, at the
 * vCPU's own offset in each, until it is told to stop or has no writes left;
 * then says so on PORT_DONE and goes on when it is run again.
 * In: %ebp = mailbox.
 */
#include "guest.h"

GUEST random
	.code32
	mov	MBOX_SEED(%ebp), %edx
	mov	MBOX_VALUE(%ebp), %ebx
	mov	MBOX_BASE(%ebp), %edi
	mov	MBOX_LANE(%ebp), %esi
	mov	MBOX_COUNT(%ebp), %ecx
1:	imul	$1664525, %edx
	add	$1013904223, %edx
	mov	%edx, %eax
	shr	$9, %eax
	and	MBOX_MASK(%ebp), %eax
	shl	$12, %eax
	add	%edi, %eax
	inc	%ebx
	mov	%ebx, (%eax, %esi)
	cmpl	$0, MBOX_STOP(%ebp)
	jne	2f
	loop	1b
2:	mov	%edx, MBOX_SEED(%ebp)
	mov	%ebx, MBOX_VALUE(%ebp)
	out	%al, $PORT_DONE
	jmp	guest_random
GUEST_END random
