/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The demo guest, in long mode: writes all of its pages once, then keeps
 * writing, mostly to a few hot pages, now and then to the next of all pages in
 * turn. After each epoch it reports its counter and asks what to do; asked to
 * check, it proves that its memory, an SSE register and an MSR are as it left
 * them. See demo.h for the data. In: %rbp = mailbox.
 *
 * Registers: r8 counter, r9 random state, r10 total, r11 multiplier,
 * r12 first page, r13 sweep, r14 writes left of the epoch, xmm7 counter again.
 */
#include "guest.h"
#include "demo.h"

#define MSR_KERNEL_GS_BASE	0xc0000102

GUEST demo
	.code64
	mov	$MSR_KERNEL_GS_BASE, %ecx
	mov	DEMO_MARK(%rbp), %eax
	mov	DEMO_MARK+4(%rbp), %edx
	wrmsr
	mov	DEMO_COUNTER(%rbp), %r8
	mov	DEMO_RNG(%rbp), %r9
	mov	DEMO_TOTAL(%rbp), %r10
	mov	DEMO_BASE(%rbp), %r12
	mov	DEMO_SWEEP(%rbp), %r13
	movabs	$DEMO_MUL, %r11
	movq	%r8, %xmm7

	mov	DEMO_PAGES(%rbp), %r14
	mov	%r12, %rdi
1:	call	write_page
	add	$0x1000, %rdi
	dec	%r14
	jnz	1b

epoch:	mov	DEMO_EPOCH(%rbp), %r14
2:	test	DEMO_MASK(%rbp), %r8
	jz	3f
	movabs	$DEMO_RNG_MUL, %rax		/* a hot page */
	imul	%rax, %r9
	movabs	$DEMO_RNG_ADD, %rax
	add	%rax, %r9
	mov	%r9, %rdi
	shr	$33, %rdi
	imul	DEMO_HOT(%rbp), %rdi
	shr	$31, %rdi
	jmp	4f
3:	mov	%r13, %rdi			/* the sweep's page */
	inc	%r13
	cmp	DEMO_PAGES(%rbp), %r13
	jb	4f
	xor	%r13d, %r13d
4:	shl	$12, %rdi
	add	%r12, %rdi
	call	write_page
	dec	%r14
	jnz	2b

	mov	%r8, DEMO_COUNTER(%rbp)
	mov	%r9, DEMO_RNG(%rbp)
	mov	%r10, DEMO_TOTAL(%rbp)
	mov	%r13, DEMO_SWEEP(%rbp)
	mov	%r8d, %eax
	out	%eax, $DEMO_PORT_COUNT
	in	$DEMO_PORT_CMD, %eax
	cmp	$DEMO_CMD_CHECK, %eax
	jne	epoch
	call	check
	out	%eax, $DEMO_PORT_BAD
	jmp	epoch

/* One write to the page at %rdi; changes rax, rcx, rdx. */
write_page:
	mov	PAGE_GEN(%rdi), %rcx
	inc	%rcx
	mov	%rcx, PAGE_GEN(%rdi)
	call	checksum
	sub	PAGE_SUM(%rdi), %r10
	add	%rdx, %r10
	mov	%rdx, PAGE_SUM(%rdi)
	movzbl	%cl, %ecx
	mov	%rdx, PAGE_PAYLOAD(%rdi, %rcx, 8)
	inc	%r8
	movq	%r8, %xmm7
	ret

/* %rdx = checksum of page %rdi at generation %rcx; changes rax. */
checksum:
	lea	(%rdi, %rcx), %rdx
	imul	%r11, %rdx
	mov	%rdx, %rax
	shr	$29, %rax
	xor	%rax, %rdx
	ret

/* %eax = number of faults found; rbx, rsi, r15 are free to use. */
check:
	xor	%ebx, %ebx			/* faults */
	xor	%esi, %esi			/* sum of checksums */
	xor	%r15d, %r15d			/* sum of generations */
	mov	%r12, %rdi
	mov	DEMO_PAGES(%rbp), %r14
5:	mov	PAGE_GEN(%rdi), %rcx
	add	%rcx, %r15
	call	checksum
	add	%rdx, %rsi
	cmp	PAGE_SUM(%rdi), %rdx
	jne	6f
	movzbl	%cl, %ecx
	cmp	PAGE_PAYLOAD(%rdi, %rcx, 8), %rdx
	je	7f
6:	inc	%ebx
7:	add	$0x1000, %rdi
	dec	%r14
	jnz	5b
	cmp	%r15, %r8			/* the counter, three ways */
	je	8f
	inc	%ebx
8:	movq	%xmm7, %rax
	cmp	%rax, %r8
	je	9f
	inc	%ebx
9:	cmp	%rsi, %r10
	je	10f
	inc	%ebx
10:	mov	$MSR_KERNEL_GS_BASE, %ecx
	rdmsr
	cmp	DEMO_MARK(%rbp), %eax
	jne	11f
	cmp	DEMO_MARK+4(%rbp), %edx
	je	12f
11:	inc	%ebx
12:	mov	%ebx, %eax
	ret
GUEST_END demo
