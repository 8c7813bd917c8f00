/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Flat 32-bit guest: goes through a list of guest addresses in the given order
 * and writes the next value of a counter to each (or reads, if bit 0 is set),
 * then says so on PORT_DONE and starts again with what the mailbox then says.
 * In: %ebp = mailbox.
 */
#include "guest.h"

GUEST writer
	.code32
	mov	MBOX_SCRIPT(%ebp), %esi
	mov	MBOX_COUNT(%ebp), %ecx
	mov	MBOX_VALUE(%ebp), %ebx
	jecxz	4f
1:	lodsl
	test	$SCRIPT_READ, %al
	jnz	2f
	inc	%ebx
	mov	%ebx, (%eax)
	loop	1b
	jmp	3f
2:	mov	-SCRIPT_READ(%eax), %edx
	loop	1b
3:	mov	%ebx, MBOX_VALUE(%ebp)
4:	out	%al, $PORT_DONE
	jmp	guest_writer
GUEST_END writer
