/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guests of a few instructions each, for what ends KVM_RUN: port I/O, MMIO of
 * every width, HLT, faults, endless loops, in each CPU mode. Where there is a
 * mailbox it is in %ebp (%rbp).
 */
#include "guest.h"
#include "exits.h"

GUEST io
	.code32
	mov	$IO_VALUE, %eax
	out	%al, $IO_PORT
	out	%ax, $IO_PORT
	out	%eax, $IO_PORT
	mov	$IO_PORT_DX, %edx
	out	%al, %dx
	out	%ax, %dx
	out	%eax, %dx
	mov	$-1, %eax
	in	$IO_PORT, %al
	mov	%eax, EXITS_RESULT+0(%ebp)
	mov	$-1, %eax
	in	$IO_PORT, %ax
	mov	%eax, EXITS_RESULT+4(%ebp)
	mov	$-1, %eax
	in	$IO_PORT, %eax
	mov	%eax, EXITS_RESULT+8(%ebp)
	mov	$-1, %eax
	in	%dx, %al
	mov	%eax, EXITS_RESULT+12(%ebp)
	mov	$-1, %eax
	in	%dx, %ax
	mov	%eax, EXITS_RESULT+16(%ebp)
	mov	$-1, %eax
	in	%dx, %eax
	mov	%eax, EXITS_RESULT+20(%ebp)
	out	%al, $PORT_DONE
	hlt
GUEST_END io

/* Stores; the order is that of the table in exits.c. */
GUEST mmio_store
	.code64
	mov	$MMIO_GPA, %ebx
	mov	%rbx, %r9
	movabs	$MMIO_VALUE, %rax
	mov	%rax, %r8
	mov	%rax, %rdi
	mov	%al, (%rbx)
	mov	%ax, 2(%rbx)
	mov	%eax, 4(%rbx)
	mov	%rax, 8(%rbx)
	mov	%ah, 1(%rbx)
	mov	%dil, 3(%rbx)
	mov	%r8b, (%r9)
	mov	%r8w, 6(%r9)
	mov	%r8d, 0x10(%r9)
	mov	%r8, 0x1000(%r9)
	movb	$0x5a, (%rbx)
	movw	$0x5aa5, (%rbx)
	movl	$0x5aa55aa5, (%rbx)
	movq	$-2, (%rbx)
	mov	$4, %ecx
	mov	%r8, 8(%rbx, %rcx, 4)
	movabs	%al, MMIO_GPA + 0x20
	movabs	%rax, MMIO_GPA + 0x20
	out	%al, $PORT_DONE
	hlt
GUEST_END mmio_store

/* Loads: each leaves the whole register in the next result. */
.macro RESULT
	mov	%rax, (%rdi)
	add	$8, %rdi
	mov	$-1, %rax
.endm

GUEST mmio_load
	.code64
	mov	$MMIO_GPA, %ebx
	lea	EXITS_RESULT(%rbp), %rdi
	mov	$-1, %rax
	mov	(%rbx), %al
	RESULT
	mov	(%rbx), %ax
	RESULT
	mov	(%rbx), %eax
	RESULT
	mov	(%rbx), %rax
	RESULT
	mov	(%rbx), %ah
	RESULT
	mov	$-1, %r8
	mov	(%rbx), %r8b
	mov	%r8, %rax
	RESULT
	mov	$-1, %r9
	mov	7(%rbx), %r9d
	mov	%r9, %rax
	RESULT
	movabs	MMIO_GPA, %eax
	RESULT
	out	%al, $PORT_DONE
	hlt
GUEST_END mmio_load

/* Loads that extend; kept apart because a smaller emulator may lack them. */
GUEST mmio_extend
	.code64
	mov	$MMIO_GPA, %ebx
	lea	EXITS_RESULT(%rbp), %rdi
	mov	$-1, %rax
	movzbl	(%rbx), %eax
	RESULT
	movzwl	(%rbx), %eax
	RESULT
	movsbl	(%rbx), %eax
	RESULT
	movsbq	(%rbx), %rax
	RESULT
	movswq	(%rbx), %rax
	RESULT
	movslq	(%rbx), %rax
	RESULT
	out	%al, $PORT_DONE
	hlt
GUEST_END mmio_extend

/* Nothing that an emulator of MOV knows. */
GUEST mmio_strange
	.code64
	mov	$MMIO_GPA, %ebx
	addsd	(%rbx), %xmm0
	hlt
GUEST_END mmio_strange

GUEST hlt
	.code32
	hlt
	out	%al, $PORT_DONE
	hlt
GUEST_END hlt

GUEST ud
	.code32
	ud2
GUEST_END ud

GUEST spin
	.code32
1:	incl	EXITS_RESULT(%ebp)
	jmp	1b
GUEST_END spin

/* Jumps to where there is no memory. */
GUEST nowhere
	.code32
	mov	$MMIO_GPA, %eax
	jmp	*%eax
GUEST_END nowhere

/* The same in every mode: adds two numbers and says the result. */
GUEST real
	.code16
	mov	$0x1200, %ax
	add	$0x34, %ax
	out	%ax, $IO_PORT
	hlt
GUEST_END real

GUEST flat
	.code32
	mov	$0x12000000, %eax
	add	$0x345678, %eax
	out	%eax, $IO_PORT
	hlt
GUEST_END flat

GUEST long
	.code64
	mov	$1, %rax
	shl	$40, %rax
	add	$0x12345678, %rax
	mov	%rax, EXITS_RESULT(%rbp)
	out	%eax, $IO_PORT
	hlt
GUEST_END long
