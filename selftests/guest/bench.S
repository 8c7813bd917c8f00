/* SPDX-License-Identifier: GPL-2.0 */
/* Guests for selftests/bench: flat 32-bit, in: %ebp = mailbox; and L2s of l1.S. */
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

/* Nothing but exits to L1, which leaves RIP where it is. */
GUEST bench_l2_vmcall
	.code64
1:	vmcall
	jmp	1b
GUEST_END bench_l2_vmcall

/* As many RDMSRs of %ecx as %ebx says. */
GUEST bench_l2_rdmsr
	.code64
1:	rdmsr
	dec	%ebx
	jnz	1b
	vmcall
GUEST_END bench_l2_rdmsr

/* One word to each of as many pages as %ecx says, from %rbx on. */
GUEST bench_l2_write
	.code64
1:	mov	%ecx, (%rbx)
	add	$0x1000, %rbx
	dec	%ecx
	jnz	1b
	vmcall
GUEST_END bench_l2_write
