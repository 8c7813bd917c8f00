/* SPDX-License-Identifier: GPL-2.0 */
/* Flat 32-bit guests for selftests/bench. In: %ebp = mailbox. */
#include "guest.h"

/* As many CPUIDs as the mailbox says. */
GUEST bench_cpuid
	.code32
	mov	MBOX_COUNT(%ebp), %esi
1:	xor	%eax, %eax
	cpuid
	dec	%esi
	jnz	1b
	out	%al, $PORT_DONE
	jmp	guest_bench_cpuid
GUEST_END bench_cpuid

/* Nothing but OUT. */
GUEST bench_out
	.code32
	out	%al, $PORT_DONE
	jmp	guest_bench_out
GUEST_END bench_out

/* One word to each of as many pages as the mailbox says, from its base on. */
GUEST bench_write
	.code32
	mov	MBOX_BASE(%ebp), %edi
	mov	MBOX_COUNT(%ebp), %ecx
1:	mov	%ecx, (%edi)
	add	$0x1000, %edi
	dec	%ecx
	jnz	1b
	out	%al, $PORT_DONE
	jmp	guest_bench_write
GUEST_END bench_write

/* The same, as many bytes apart as the mailbox says. */
GUEST bench_step
	.code32
	mov	MBOX_BASE(%ebp), %edi
	mov	MBOX_COUNT(%ebp), %ecx
	mov	MBOX_VALUE(%ebp), %edx
1:	mov	%ecx, (%edi)
	add	%edx, %edi
	dec	%ecx
	jnz	1b
	out	%al, $PORT_DONE
	jmp	guest_bench_step
GUEST_END bench_step
