/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Flat 32-bit guest: adds up one word of each page, as the guest sees it, into
 * the mailbox's value, and says so on PORT_DONE. In: %ebp = mailbox.
 */
#include "guest.h"

GUEST sum
	.code32
	mov	MBOX_BASE(%ebp), %edi
	add	MBOX_LANE(%ebp), %edi
	mov	MBOX_COUNT(%ebp), %ecx
	xor	%ebx, %ebx
1:	add	(%edi), %ebx
	add	$0x1000, %edi
	loop	1b
	mov	%ebx, MBOX_VALUE(%ebp)
	out	%al, $PORT_DONE
	jmp	guest_sum
GUEST_END sum
