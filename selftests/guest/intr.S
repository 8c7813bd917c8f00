/* SPDX-License-Identifier: GPL-2.0 */
/*
 * 64-bit guest that goes through a list of steps and takes interrupts; see
 * intr.h.  In: %rbp = mailbox, which it stays.
 */
#include "guest.h"
#include "intr.h"

GUEST intr
	.code64
	jmp	steps
	.balign	16
	/* The stubs: vector and common tail. */
	vector = 0
	.rept	256
	.balign	16
	push	$vector
	jmp	handler
	vector = vector + 1
	.endr
	.balign	16

handler:
	push	%rax
	push	%rcx
	push	%rdx
	mov	24(%rsp), %rax
	movzx	%al, %eax
	incl	INTR_COUNTS(%rbp, %rax, 4)
	mov	INTR_LOGGED(%rbp), %ecx
	cmp	$INTR_LOG_MAX, %ecx
	jae	1f
	mov	%al, INTR_LOG(%rbp, %rcx)
1:	incl	INTR_LOGGED(%rbp)
	cmp	%eax, INTR_HOOK(%rbp)
	jne	2f
	out	%al, $PORT_TICK
2:	cmp	$6, %eax		/* #UD: behind UD2 */
	jne	3f
	addq	$2, 32(%rsp)
3:	cmp	$32, %eax
	jb	5f
	cmpl	$0, INTR_DEPTH(%rbp)
	jne	5f
	xor	%eax, %eax
	cmpl	$0, INTR_XAPIC(%rbp)
	jne	4f
	xor	%edx, %edx
	mov	$0x80b, %ecx
	wrmsr
	jmp	5f
4:	mov	$0xfee000b0, %ecx
	mov	%eax, (%rcx)
5:	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$8, %rsp
	iretq

result:
	mov	INTR_RESULTS(%rbp), %rbx
	mov	%eax, (%rbx)
	addq	$4, INTR_RESULTS(%rbp)
	jmp	steps

steps:
	mov	INTR_STEP(%rbp), %rsi
	addq	$16, INTR_STEP(%rbp)
	mov	(%rsi), %eax
	mov	4(%rsi), %r8d
	mov	8(%rsi), %r9d
	mov	12(%rsi), %r10d
	mov	$0xfee00000, %ebx
	cmp	$STEP_DONE, %eax
	je	done
	cmp	$STEP_MMIO_WRITE, %eax
	je	mmio_write
	cmp	$STEP_MMIO_READ, %eax
	je	mmio_read
	cmp	$STEP_WRMSR, %eax
	je	write_msr
	cmp	$STEP_RDMSR, %eax
	je	read_msr
	cmp	$STEP_STI, %eax
	je	do_sti
	cmp	$STEP_CLI, %eax
	je	do_cli
	cmp	$STEP_HLT, %eax
	je	do_hlt
	cmp	$STEP_WAIT, %eax
	je	wait_count
	cmp	$STEP_CR8, %eax
	je	set_cr8
	cmp	$STEP_READ_CR8, %eax
	je	get_cr8
	cmp	$STEP_STORM, %eax
	je	storm
	cmp	$STEP_STACK, %eax
	je	set_stack
	cmp	$STEP_TICK, %eax
	je	tick
	cmp	$STEP_UD, %eax
	je	undefined
	cmp	$STEP_WAIT_NOT, %eax
	je	wait_not
	cmp	$STEP_SLEEP, %eax
	je	sleep
	cmp	$STEP_INT, %eax
	je	software_interrupt
	cmp	$STEP_STI_ONE, %eax
	je	sti_one
	cmp	$STEP_CALL, %eax
	je	call_code
	ud2

done:
	out	%al, $PORT_DONE
	jmp	steps
tick:
	out	%al, $PORT_TICK
	jmp	steps
mmio_write:
	mov	%r9d, (%rbx, %r8)
	jmp	steps
mmio_read:
	mov	(%rbx, %r8), %eax
	jmp	result
write_msr:
	mov	%r8d, %ecx
	mov	%r9d, %eax
	mov	%r10d, %edx
	wrmsr
	jmp	steps
read_msr:
	mov	%r8d, %ecx
	rdmsr
	jmp	result
call_code:
	mov	%r9d, %eax
	call	*%r8
	jmp	result
do_sti:
	sti
	nop
	jmp	steps
do_cli:
	cli
	jmp	steps
software_interrupt:
	int	$0x48
	jmp	steps
sti_one:
	sti
	cpuid
	cli
	jmp	steps
do_hlt:
	sti
	hlt
	jmp	steps
wait_count:
	cmp	%r9d, INTR_COUNTS(%rbp, %r8, 4)
	jae	steps
	pause
	jmp	wait_count
wait_not:
	cmp	%r9d, (%r8)
	jne	steps
	pause
	jmp	wait_not
sleep:
	cli
	cmp	%r9d, INTR_COUNTS(%rbp, %r8, 4)
	jae	do_sti
	sti				/* held back until HLT has begun */
	hlt
	jmp	sleep
set_cr8:
	mov	%r8, %cr8
	jmp	steps
get_cr8:
	mov	%cr8, %rax
	jmp	result
set_stack:
	mov	%r8d, %esp
	jmp	steps
undefined:
	ud2
	jmp	steps

storm:
	mov	%rsp, %r11
	mov	%r10, %rsp
1:	add	$0x1000, %rsp
	mov	%r9d, %eax
	xor	%edx, %edx
	mov	$0x83f, %ecx
	wrmsr
	dec	%r8d
	jnz	1b
	mov	%r11, %rsp
	jmp	steps
GUEST_END intr

/* Where SIPI starts a CPU: says which CS it has. */
GUEST start
	.code16
	mov	%cs, %ax
	mov	%ax, %ds
	mov	%ax, INTR_START_MARK
	out	%al, $PORT_DONE
	hlt
GUEST_END start
