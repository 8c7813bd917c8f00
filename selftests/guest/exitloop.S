/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Flat 32-bit guest: executes CPUID as often as the mailbox says, then OUT the
 * same number of times, then says PORT_DONE and starts again.
 * In: %ebp = mailbox.
 */
#include "guest.h"

GUEST exitloop
	.code32
	mov	MBOX_COUNT(%ebp), %esi
	mov	MBOX_VALUE(%ebp), %edi
	jmp	2f
1:	xor	%eax, %eax
	cpuid
2:	dec	%esi
	jns	1b
	jmp	4f
3:	out	%al, $PORT_TICK
4:	dec	%edi
	jns	3b
	out	%al, $PORT_DONE
	jmp	guest_exitloop
GUEST_END exitloop
