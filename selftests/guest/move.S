/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest that is moved about: what it counts in every kind of register has to
 * agree in the end, and what it writes to one it has to read back. In: %rbp =
 * mailbox, MASK = rounds. Out: VALUE = 1, or 2 when something did not agree.
 */
#include "guest.h"

#define MSR_LSTAR	0xc0000082

GUEST move
	.code64
	xor	%ebx, %ebx
	xor	%r15d, %r15d
	xor	%r14d, %r14d
	fninit
	fldz
	pxor	%xmm0, %xmm0
	mov	$1, %eax
	movq	%rax, %xmm1
1:	inc	%rbx
	add	%rbx, %r15
	fld1
	faddp
	paddq	%xmm1, %xmm0
	mov	%rbx, %dr0
	mov	%rbx, %cr2
	mov	$MSR_LSTAR, %ecx
	mov	%ebx, %eax
	xor	%edx, %edx
	wrmsr
	xor	%eax, %eax
	rdmsr
	cmp	%ebx, %eax
	jne	2f
	mov	%dr0, %rax
	cmp	%rbx, %rax
	jne	2f
	mov	%cr2, %rax
	cmp	%rbx, %rax
	jne	2f
	/* Time does not go backwards. */
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	cmp	%r14, %rax
	jb	2f
	mov	%rax, %r14
	mov	%ebx, MBOX_COUNT(%rbp)
	cmp	MBOX_MASK(%rbp), %ebx
	jne	1b
	movq	%xmm0, %rax
	cmp	%rbx, %rax
	jne	2f
	fistpll	MBOX_SEED(%rbp)
	mov	MBOX_SEED(%rbp), %rax
	cmp	%rbx, %rax
	jne	2f
	/* 1 + 2 + … + n */
	lea	1(%rbx), %rax
	imul	%rbx, %rax
	shr	%rax
	cmp	%r15, %rax
	jne	2f
	movl	$1, MBOX_VALUE(%rbp)
	out	%al, $PORT_DONE
	hlt
2:	movl	$2, MBOX_VALUE(%rbp)
	out	%al, $PORT_DONE
	hlt
GUEST_END move
