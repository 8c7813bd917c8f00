/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest that does with MSRs and its TSC what its host wants, one thing for
 * each KVM_RUN. In: %rbp = mailbox.
 */
#include "guest.h"
#include "time.h"

GUEST time
	.code64
next:
	mov	TIME_OP(%rbp), %eax
	mov	TIME_INDEX(%rbp), %ecx
	cmp	$OP_RDMSR, %eax
	je	read
	cmp	$OP_WRMSR, %eax
	je	write
	cmp	$OP_RDTSCP, %eax
	je	tscp
	cmp	$OP_PAGE, %eax
	je	page
spin:
	incl	MBOX_VALUE(%rbp)
	jmp	spin
done:
	out	%al, $PORT_DONE
	jmp	next

read:
	rdmsr
	mov	%eax, TIME_VALUE(%rbp)
	mov	%edx, TIME_VALUE+4(%rbp)
	jmp	done

write:
	mov	TIME_VALUE(%rbp), %eax
	mov	TIME_VALUE+4(%rbp), %edx
	wrmsr
	jmp	done

tscp:
	rdtscp
	mov	%eax, TIME_TSC(%rbp)
	mov	%edx, TIME_TSC+4(%rbp)
	mov	%rcx, TIME_VALUE(%rbp)
	jmp	done

	/* The version is even and the same before and after. */
page:
	mov	TIME_VALUE(%rbp), %rsi
	mov	(%rsi), %r8d
	test	$1, %r8d
	jnz	page
	lea	TIME_PAGE(%rbp), %rdi
	mov	$TIME_PAGE_BYTES, %ecx
	rep movsb
	lfence
	rdtsc
	mov	%eax, TIME_TSC(%rbp)
	mov	%edx, TIME_TSC+4(%rbp)
	mov	TIME_VALUE(%rbp), %rsi
	cmp	(%rsi), %r8d
	jne	page
	jmp	done
GUEST_END time

/*
 * A handler of machine checks: tells that it ran and what stands in
 * IA32_MCG_STATUS, and ends the machine check unless it is to nest.
 */
GUEST machine_check
	.code64
	push	%rax
	push	%rcx
	push	%rdx
	incl	MCE_COUNT(%rbp)
	mov	$0x17a, %ecx
	rdmsr
	mov	%eax, MCE_STATUS(%rbp)
	xor	%eax, %eax
	xor	%edx, %edx
	cmpl	$0, MCE_KEEP(%rbp)
	jne	1f
	wrmsr
1:	pop	%rdx
	pop	%rcx
	pop	%rax
	iretq
GUEST_END machine_check
