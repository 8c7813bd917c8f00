/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guests for a debugger. In: %ebp = mailbox. The labels are where it looks.
 */
#include "guest.h"

	.globl	guest_steps_store, guest_steps_last
/* Plain instructions, a loop, and two that exit and are emulated; all 32-bit. */
GUEST steps
	.code32
	nop
	mov	$3, %ecx
1:	dec	%ecx
	jnz	1b
	xor	%eax, %eax
	cpuid
	mov	$0x1b, %ecx
	rdmsr
guest_steps_store:
	movl	$0x55, MBOX_VALUE(%ebp)
	nop
guest_steps_last:
	out	%al, $PORT_DONE
	hlt
GUEST_END steps

GUEST int3
	.code32
	int3
	movl	$0x66, MBOX_VALUE(%ebp)
	out	%al, $PORT_DONE
	hlt
GUEST_END int3
