/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guests that show the state which their host gave them, in the mailbox at
 * STATE_RESULT, and change it for the host to read. In: %rbp = mailbox.
 */
#include "guest.h"
#include "state.h"

/* All general registers as they came, then each raised by one. */
GUEST regs
	.code64
	mov	%rax, STATE_RESULT+0x00(%rbp)
	mov	%rbx, STATE_RESULT+0x08(%rbp)
	mov	%rcx, STATE_RESULT+0x10(%rbp)
	mov	%rdx, STATE_RESULT+0x18(%rbp)
	mov	%rsi, STATE_RESULT+0x20(%rbp)
	mov	%rdi, STATE_RESULT+0x28(%rbp)
	mov	%rsp, STATE_RESULT+0x30(%rbp)
	mov	%r8, STATE_RESULT+0x38(%rbp)
	mov	%r9, STATE_RESULT+0x40(%rbp)
	mov	%r10, STATE_RESULT+0x48(%rbp)
	mov	%r11, STATE_RESULT+0x50(%rbp)
	mov	%r12, STATE_RESULT+0x58(%rbp)
	mov	%r13, STATE_RESULT+0x60(%rbp)
	mov	%r14, STATE_RESULT+0x68(%rbp)
	mov	%r15, STATE_RESULT+0x70(%rbp)
	lea	1(%rax), %rax
	lea	1(%rbx), %rbx
	lea	1(%rcx), %rcx
	lea	1(%rdx), %rdx
	lea	1(%rsi), %rsi
	lea	1(%rdi), %rdi
	lea	1(%rsp), %rsp
	lea	1(%r8), %r8
	lea	1(%r9), %r9
	lea	1(%r10), %r10
	lea	1(%r11), %r11
	lea	1(%r12), %r12
	lea	1(%r13), %r13
	lea	1(%r14), %r14
	lea	1(%r15), %r15
	out	%al, $PORT_DONE
	hlt
GUEST_END regs

/* Control registers, descriptor tables, selectors, segment bases. */
GUEST sregs
	.code64
	mov	%cr0, %rax
	mov	%rax, STATE_RESULT+0x00(%rbp)
	mov	%cr2, %rax
	mov	%rax, STATE_RESULT+0x08(%rbp)
	mov	%cr3, %rax
	mov	%rax, STATE_RESULT+0x10(%rbp)
	mov	%cr4, %rax
	mov	%rax, STATE_RESULT+0x18(%rbp)
	sgdt	STATE_RESULT+0x26(%rbp)
	sidt	STATE_RESULT+0x36(%rbp)
	xor	%eax, %eax
	str	%ax
	mov	%rax, STATE_RESULT+0x40(%rbp)
	mov	%fs:(0), %eax
	mov	%rax, STATE_RESULT+0x48(%rbp)
	mov	%gs:(0), %eax
	mov	%rax, STATE_RESULT+0x50(%rbp)
	mov	$0xc0000080, %ecx
	rdmsr
	mov	%rax, STATE_RESULT+0x58(%rbp)
	out	%al, $PORT_DONE
	hlt
GUEST_END sregs

/* Reads the MSR in the first result, then writes the second to it. */
GUEST msr
	.code64
	mov	STATE_RESULT+0x00(%rbp), %ecx
	rdmsr
	mov	%eax, STATE_RESULT+0x08(%rbp)
	mov	%edx, STATE_RESULT+0x0c(%rbp)
	mov	STATE_RESULT+0x10(%rbp), %eax
	mov	STATE_RESULT+0x14(%rbp), %edx
	wrmsr
	out	%al, $PORT_DONE
	hlt
GUEST_END msr

GUEST cpuid
	.code64
	mov	STATE_RESULT+0x00(%rbp), %eax
	mov	STATE_RESULT+0x04(%rbp), %ecx
	cpuid
	mov	%eax, STATE_RESULT+0x08(%rbp)
	mov	%ebx, STATE_RESULT+0x0c(%rbp)
	mov	%ecx, STATE_RESULT+0x10(%rbp)
	mov	%edx, STATE_RESULT+0x14(%rbp)
	out	%al, $PORT_DONE
	hlt
GUEST_END cpuid

/* Shows xmm5, control words and st(0); changes xmm6 and MXCSR. */
GUEST fpu
	.code64
	movdqu	%xmm5, STATE_RESULT+0x00(%rbp)
	fnstcw	STATE_RESULT+0x10(%rbp)
	stmxcsr	STATE_RESULT+0x14(%rbp)
	fstpl	STATE_RESULT+0x18(%rbp)
	movdqa	%xmm5, %xmm6
	paddq	%xmm6, %xmm6
	movl	$0x1fa0, STATE_RESULT+0x20(%rbp)
	ldmxcsr	STATE_RESULT+0x20(%rbp)
	out	%al, $PORT_DONE
	hlt
GUEST_END fpu
