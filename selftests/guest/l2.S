/* SPDX-License-Identifier: GPL-2.0 */
/* Guests of the guest hypervisor l1.S, in 64-bit mode. In: %rbp = mailbox of vCPU 0. */
#include "guest.h"

/*
 * Adds another number to each of %ecx pages from %rbx on, in as many rounds as %edx
 * says, or until the mailbox says stop; then VMCALL with the last number in %eax.
 */
GUEST l2_fill
	.code64
1:	mov	%rbx, %rdi
	mov	%ecx, %esi
2:	imul	$1664525, %eax, %eax
	add	$1013904223, %eax
	add	%eax, (%rdi)
	add	$0x1000, %rdi
	cmpl	$0, MBOX_STOP(%rbp)
	jne	3f
	dec	%esi
	jnz	2b
	dec	%edx
	jnz	1b
3:	vmcall
GUEST_END l2_fill

/* Writes to one address after the other of the list at %rbx, and says so each time; 0 ends it. */
GUEST l2_list
	.code64
1:	mov	(%rbx), %edi
	test	%edi, %edi
	jz	2f
	incl	(%rdi)
	out	%al, $PORT_TICK
	add	$4, %rbx
	jmp	1b
2:	vmcall
GUEST_END l2_list

/*
 * From %rbx on, pairs of an index and an address, until an address is 0: takes that EPT
 * of L1's list, adds to a word there, and says so.
 */
GUEST l2_switch
	.code64
1:	mov	(%rbx), %ecx
	mov	4(%rbx), %edi
	test	%edi, %edi
	jz	2f
	xor	%eax, %eax
	vmfunc
	incl	(%rdi)
	out	%al, $PORT_TICK
	add	$8, %rbx
	jmp	1b
2:	vmcall
GUEST_END l2_switch

/* Adds to a word of one of the 512 pages of the data slot, at random, 3000 times; then VMCALL. */
GUEST l2_random
	.code64
	mov	$3000, %ecx
1:	imul	$1664525, %ebx
	add	$1013904223, %ebx
	mov	%ebx, %eax
	shr	$23, %eax
	shl	$12, %eax
	add	$DATA_GPA, %eax
	add	%ebx, (%rax)
	dec	%ecx
	jnz	1b
	vmcall
GUEST_END l2_random

/* Adds to a word of each of them; then VMCALL. */
GUEST l2_all
	.code64
	mov	$512, %ecx
	mov	$DATA_GPA, %eax
1:	addl	$1, (%rax)
	add	$4096, %eax
	dec	%ecx
	jnz	1b
	vmcall
GUEST_END l2_all
