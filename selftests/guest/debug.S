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

/* Watches its own writes to VALUE if COUNT says so, and has no handler for what comes of it. */
GUEST own_breakpoint
	.code32
	lea	MBOX_VALUE(%ebp), %eax
	mov	%eax, %dr0
	mov	$0x400, %eax
	cmpl	$0, MBOX_COUNT(%ebp)
	je	1f
	mov	$0xd0402, %eax
1:	mov	%eax, %dr7
	movl	$0x77, MBOX_VALUE(%ebp)
	nop
	out	%al, $PORT_DONE
	hlt
GUEST_END own_breakpoint
