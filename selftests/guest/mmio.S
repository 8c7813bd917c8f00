/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every instruction that is carried out for the guest when it touches MMIO, as
 * data: mmio.c lets the guest run one after the other, once on memory and once
 * on MMIO. And handlers that tell which exception was raised.
 */
#include "guest.h"
#include "mmio.h"

.macro FORM flags, width, insn:vararg
	.byte	\flags, \width, 2f - 1f
1:	\insn
2:
.endm

#define LOAD	FORM_READS
#define STORE	FORM_WRITES
#define RMW	FORM_READS | FORM_WRITES
#define LOGIC	FORM_LOGIC

/* mem op= register, register op= mem, each width; the immediates of each width. */
.macro ALU op, flags
	FORM	RMW | \flags, 1, \op\()b %dl, (%rbx)
	FORM	RMW | \flags, 1, \op\()b %ah, (%rbx)
	FORM	RMW | \flags, 2, \op\()w %r9w, (%rbx)
	FORM	RMW | \flags, 4, \op\()l %eax, (%rbx)
	FORM	RMW | \flags, 8, \op\()q %r15, (%rbx)
	FORM	LOAD | \flags, 1, \op\()b (%rbx), %ch
	FORM	LOAD | \flags, 2, \op\()w (%rbx), %dx
	FORM	LOAD | \flags, 4, \op\()l (%rbx), %r10d
	FORM	LOAD | \flags, 8, \op\()q (%rbx), %rax
	FORM	RMW | \flags, 1, \op\()b $0x5a, (%rbx)
	FORM	RMW | \flags, 2, \op\()w $0x8001, (%rbx)
	FORM	RMW | \flags, 4, \op\()l $-2, (%rbx)
	FORM	RMW | \flags, 8, \op\()q $-0x7fffffff, (%rbx)
	FORM	RMW | \flags | FORM_LOCK, 4, lock \op\()l %edx, (%rbx)
	FORM	RMW | \flags | FORM_LOCK, 8, lock \op\()q $7, (%rbx)
.endm

/* The same for what writes flags alone. */
.macro COMPARE op, flags
	FORM	LOAD | \flags, 1, \op\()b %dl, (%rbx)
	FORM	LOAD | \flags, 2, \op\()w %r9w, (%rbx)
	FORM	LOAD | \flags, 4, \op\()l %eax, (%rbx)
	FORM	LOAD | \flags, 8, \op\()q %r15, (%rbx)
	FORM	LOAD | \flags, 1, \op\()b $0x5a, (%rbx)
	FORM	LOAD | \flags, 2, \op\()w $0x8001, (%rbx)
	FORM	LOAD | \flags, 4, \op\()l $-2, (%rbx)
	FORM	LOAD | \flags, 8, \op\()q $0x7fffffff, (%rbx)
.endm

.macro STRINGS suffix, width
	FORM	STORE | FORM_RDI, \width, stos\suffix
	FORM	STORE | FORM_RDI | FORM_REP, \width, rep stos\suffix
	FORM	LOAD | FORM_RSI, \width, lods\suffix
	FORM	LOAD | FORM_RSI | FORM_REP, \width, rep lods\suffix
	FORM	LOAD | FORM_RSI, \width, movs\suffix
	FORM	LOAD | FORM_RSI | FORM_REP, \width, rep movs\suffix
	FORM	STORE | FORM_RDI, \width, movs\suffix
	FORM	STORE | FORM_RDI | FORM_REP, \width, rep movs\suffix
	FORM	RMW | FORM_RDI | FORM_RSI | FORM_REP, \width, rep movs\suffix
.endm

GUEST mmio_forms
	.code64
	FORM	STORE, 1, mov %dl, (%rbx)
	FORM	STORE, 1, mov %ch, (%rbx)
	FORM	STORE, 1, mov %sil, (%rbx)
	FORM	STORE, 2, mov %r9w, (%rbx)
	FORM	STORE, 4, mov %ebp, (%rbx)
	FORM	STORE, 8, mov %rsp, (%rbx)
	FORM	STORE, 1, movb $0x5a, (%rbx)
	FORM	STORE, 2, movw $0x5aa5, (%rbx)
	FORM	STORE, 4, movl $0x5aa55aa5, (%rbx)
	FORM	STORE, 8, movq $-2, (%rbx)
	FORM	STORE, 4, movnti %r12d, (%rbx)
	FORM	STORE, 8, movnti %rdx, (%rbx)
	FORM	STORE, 4, addr32 mov %eax, (%ebx)
	FORM	LOAD, 1, mov (%rbx), %dl
	FORM	LOAD, 1, mov (%rbx), %dh
	FORM	LOAD, 1, mov (%rbx), %r13b
	FORM	LOAD, 2, mov (%rbx), %ax
	FORM	LOAD, 4, mov (%rbx), %r14d
	FORM	LOAD, 8, mov (%rbx), %rbp
	FORM	LOAD, 8, mov (%rbx), %rbx
	FORM	LOAD, 1, movzbl (%rbx), %eax
	FORM	LOAD, 1, movzbw (%rbx), %cx
	FORM	LOAD, 2, movzwq (%rbx), %r8
	FORM	LOAD, 1, movsbw (%rbx), %cx
	FORM	LOAD, 1, movsbq (%rbx), %rax
	FORM	LOAD, 2, movswl (%rbx), %edx
	FORM	LOAD, 4, movslq (%rbx), %rdx
	FORM	RMW | FORM_LOCK, 1, xchg %ah, (%rbx)
	FORM	RMW | FORM_LOCK, 2, xchg %cx, (%rbx)
	FORM	RMW | FORM_LOCK, 4, xchg %r11d, (%rbx)
	FORM	RMW | FORM_LOCK, 8, lock xchg %rdx, (%rbx)
	ALU	add, 0
	ALU	or, LOGIC
	ALU	adc, 0
	ALU	sbb, 0
	ALU	and, LOGIC
	ALU	sub, 0
	ALU	xor, LOGIC
	COMPARE	cmp, 0
	FORM	LOAD, 4, cmp (%rbx), %eax
	FORM	LOAD, 1, cmp (%rbx), %dh
	COMPARE	test, LOGIC
	STRINGS	b, 1
	STRINGS	w, 2
	STRINGS	l, 4
	STRINGS	q, 8
	.byte	0
GUEST_END mmio_forms

/* One stub for each vector: what was raised stands on the stack. */
GUEST mmio_faults
	.code64
	.set	vector, 0
	.rept	FAULT_VECTORS
	.balign	FAULT_STUB
	out	%al, $PORT_FAULT + vector
	hlt
	.set	vector, vector + 1
	.endr
GUEST_END mmio_faults
