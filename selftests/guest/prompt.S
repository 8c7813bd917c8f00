/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Flat 32-bit guest: writes one page after the other, slowly, and after each
 * write says in the mailbox (which is not logged) how many it has written. It
 * never leaves the guest by itself before it is done. In: %ebp = mailbox.
 */
#include "guest.h"

GUEST prompt
	.code32
	mov	MBOX_BASE(%ebp), %edi
	mov	MBOX_COUNT(%ebp), %esi
	xor	%ebx, %ebx
1:	inc	%ebx
	mov	%ebx, (%edi)
	mov	%ebx, MBOX_VALUE(%ebp)
	mov	$400, %ecx
2:	loop	2b
	add	$0x1000, %edi
	cmp	%esi, %ebx
	jne	1b
	out	%al, $PORT_DONE
	jmp	guest_prompt
GUEST_END prompt
