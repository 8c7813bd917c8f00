/* SPDX-License-Identifier: GPL-2.0 */
/* A flat 32-bit guest for counts.c: a known number of exits of each kind. In: %ebp = mailbox. */
#include "guest.h"
#include "counts.h"

GUEST counted
	.code32
	mov	%cr0, %ebx
	.rept	COUNTED_CR
	xor	$0x40000000, %ebx	/* CR0.CD, which is never the guest's own */
	mov	%ebx, %cr0
	.endr
	mov	$0x1a0, %ecx		/* IA32_MISC_ENABLE */
	.rept	COUNTED_RDMSR
	rdmsr
	.endr
	.rept	COUNTED_WRMSR
	wrmsr
	.endr
	.rept	COUNTED_WBINVD
	wbinvd
	.endr
	.rept	COUNTED_VMCALL
	vmcall
	.endr
	.rept	COUNTED_CPUID
	xor	%eax, %eax
	cpuid
	.endr
	.rept	COUNTED_MMIO
	mov	%eax, COUNTED_GPA
	.endr
	out	%al, $PORT_DONE
	hlt
GUEST_END counted

/* #GP that the hypervisor raises: no such MSR. There is no IDT. */
GUEST faulty
	.code32
	mov	$0xdeadbeef, %ecx
	wrmsr
GUEST_END faulty
