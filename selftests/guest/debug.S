/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guests for a debugger. In: %ebp = mailbox. The labels are where it looks.
 */
#include "guest.h"

	.globl	guest_steps_cpuid, guest_steps_rdmsr, guest_steps_store, guest_steps_last
/* Plain instructions, a loop, and two that exit and are emulated; all 32-bit. */
GUEST steps
	.code32
	nop
	mov	$3, %ecx
1:	dec	%ecx
	jnz	1b
	xor	%eax, %eax
guest_steps_cpuid:
	cpuid
	mov	$0x1b, %ecx
guest_steps_rdmsr:
	rdmsr
guest_steps_store:
	movl	$0x55, MBOX_VALUE(%ebp)
	nop
guest_steps_last:
	out	%al, $PORT_DONE
	hlt
GUEST_END steps

	.globl	guest_int3_after
GUEST int3
	.code32
	int3
guest_int3_after:
	movl	$0x66, MBOX_VALUE(%ebp)
	out	%al, $PORT_DONE
	hlt
GUEST_END int3
