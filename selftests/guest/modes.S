/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guests that start in real mode and do to their CPU what a boot loader, a
 * kernel and a debugger do.  What they find is in registers at their HLT.
 */
#include "guest.h"
#include "modes.h"

/* Where a label of the guest stands in guest memory. */
#define AT(guest, label) (CODE_GPA + label - guest_##guest)

#define CR0_PE_PG	0x80000001
#define CR4_PAE		0x20
#define EFER_SCE_LME	0x101
#define MSR_EFER	0xc0000080
#define MSR_STAR	0xc0000081
#define MSR_LSTAR	0xc0000082
#define MSR_SFMASK	0xc0000084
#define LARGE		0x83		/* present, writable, 2 MiB */

.macro REAL_MODE
	.code16
	cli
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	$MODES_STACK, %sp
.endm

/* A vector of the real-mode interrupt table. */
.macro VECTOR number, offset
	movw	$\offset, \number * 4
	movw	$0, \number * 4 + 2
.endm

GUEST climb			/* to long mode, then SYSCALL */
	REAL_MODE
	mov	$TABLE_GPA / 16, %ax
	mov	%ax, %es
	movl	$TABLE_GPA + 0x1003, %es:0
	movl	$TABLE_GPA + 0x2003, %es:0x1000
	movl	$LARGE, %es:0x2000
	mov	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	$TABLE_GPA, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	rdmsr
	or	$EFER_SCE_LME, %eax
	wrmsr
	lgdtl	AT(climb, 5f)
	mov	%cr0, %eax
	or	$CR0_PE_PG, %eax
	mov	%eax, %cr0
	ljmpl	$0x10, $AT(climb, 1f)
	.code64
1:	mov	$0x18, %eax
	mov	%eax, %ss
	movabs	$MODES_LONG, %rbx
	hlt
	mov	$MSR_LSTAR, %ecx
	mov	$AT(climb, 2f), %eax
	xor	%edx, %edx
	wrmsr
	mov	$MSR_STAR, %ecx
	xor	%eax, %eax
	mov	$0x00080010, %edx
	wrmsr
	mov	$MSR_SFMASK, %ecx
	xor	%edx, %edx
	wrmsr
	syscall
3:	ud2
2:	mov	$AT(climb, 3b), %eax
	sub	%rax, %rcx		/* 0: SYSCALL left the return address */
	hlt
	.balign	8
4:	.quad	0, 0x00cf9b000000ffff, 0x00af9b000000ffff, 0x00cf93000000ffff
5:	.word	31
	.long	AT(climb, 4b)
GUEST_END climb

GUEST pae			/* 32-bit paging with PDPTEs, then back off */
	REAL_MODE
	mov	$TABLE_GPA / 16, %ax
	mov	%ax, %es
	movl	$TABLE_GPA + 0x1001, %es:0
	movl	$LARGE, %es:0x1000
	movl	$0x200000 + LARGE, %es:0x1008
	mov	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	$TABLE_GPA, %eax
	mov	%eax, %cr3
	lgdtl	AT(pae, 5f)
	mov	%cr0, %eax
	or	$CR0_PE_PG, %eax
	mov	%eax, %cr0
	ljmpl	$0x8, $AT(pae, 1f)
	.code32
1:	mov	$0x10, %eax
	mov	%eax, %ds
	mov	AT(pae, 6f), %ebx
	hlt
	mov	%cr0, %eax
	and	$~0x80000000, %eax
	mov	%eax, %cr0
	mov	AT(pae, 6f), %ecx
	hlt
	.balign	8
4:	.quad	0, 0x00cf9b000000ffff, 0x00cf93000000ffff
5:	.word	23
	.long	AT(pae, 4b)
6:	.long	MODES_VALUE
GUEST_END pae

GUEST debugregs
	REAL_MODE
	mov	$0x1234, %eax
	mov	%eax, %dr0
	mov	$0x5678, %eax
	mov	%eax, %dr3
	mov	%dr0, %ebx
	mov	%dr3, %ecx
	mov	%dr6, %edx
	mov	%dr7, %eax
	hlt
GUEST_END debugregs

GUEST protection		/* RDMSR of what is not there raises #GP, at the instruction */
	REAL_MODE
	VECTOR	13, AT(protection, 2f)
	mov	$0x12345678, %ecx
1:	rdmsr
	hlt
2:	pop	%bx
	sub	$AT(protection, 1b), %bx
	mov	$13, %ax
	hlt
GUEST_END protection

/* Counts the traps of eleven instructions; three of them touch pages for the first time. */
GUEST singlestep
	REAL_MODE
	VECTOR	1, AT(singlestep, 2f)
	mov	$MODES_PAGES / 16, %ax
	mov	%ax, %es
	xor	%si, %si
	pushf
	pop	%ax
	or	$0x100, %ax
	push	%ax
	popf
	nop				/* 1 */
	xor	%eax, %eax
	cpuid				/* 3: skipped by software */
	movw	$1, %es:0
	movw	$1, %es:0x2000
	movw	%es:0x4000, %di		/* 6 */
	pushf
	pop	%ax
	and	$~0x100, %ax
	push	%ax
	popf				/* 11 */
	mov	%dr6, %edx
	hlt
2:	inc	%si
	iretw
GUEST_END singlestep

GUEST strings
	REAL_MODE
	cld
	mov	$MODES_STRING, %si
	mov	$MODES_STRING_BYTES, %cx
	mov	$MODES_PORT, %dx
	rep outsb
	mov	$MODES_STRING, %di
	mov	$MODES_STRING_BYTES, %cx
	rep insb
	mov	$MODES_STRING, %si
	outsw
	std
	mov	$2, %cx
	rep outsb
	cld
	xor	%cx, %cx
	rep outsb
	mov	$-1, %cx
	insb
	hlt
GUEST_END strings

GUEST interrupt			/* vector 0x21, from outside */
	REAL_MODE
	VECTOR	0x21, AT(interrupt, 2f)
	hlt
	nop				/* IF is clear: not here */
	mov	$1, %bx
	sti
	mov	$2, %bx			/* behind STI: not here either */
	mov	$3, %bx
	hlt
2:	mov	$0x21, %ax
	hlt
GUEST_END interrupt
