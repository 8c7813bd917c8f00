/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest of protected mode that turns paging on and off in each of its forms.
 * At each HLT: %eax = EFER, %ebx = CR3, %ecx is MSR_EFER, %edx = CR0, %esi = CR4,
 * %edi the first word of code.
 */
#include "guest.h"
#include "paging.h"

#define CR0_PG		0x80000000
#define CR4_PSE		0x10
#define CR4_PAE		0x20
#define EFER_LME	0x100
#define MSR_EFER	0xc0000080

.macro CHECKPOINT
	mov	$MSR_EFER, %ecx
	rdmsr
	mov	%cr3, %ebx
	mov	%cr0, %edx
	mov	%cr4, %esi
	mov	CODE_GPA, %edi
	hlt
.endm

.macro PAGING table
	mov	$\table, %eax
	mov	%eax, %cr3
	mov	%cr0, %eax
	or	$CR0_PG, %eax
	mov	%eax, %cr0
	CHECKPOINT
.endm

.macro NO_PAGING
	mov	%cr0, %eax
	and	$~CR0_PG, %eax
	mov	%eax, %cr0
	CHECKPOINT
.endm

.macro CR4_BIT bit, how
	mov	%cr4, %eax
	\how	$\bit, %eax
	mov	%eax, %cr4
.endm

GUEST paging
	.code32
	mov	$PAGING_NO_TABLE, %eax
	mov	%eax, %cr3
	CHECKPOINT
	CR4_BIT	CR4_PAE, or
	mov	$MSR_EFER, %ecx
	rdmsr
	or	$EFER_LME, %eax
	wrmsr
	CHECKPOINT			/* long mode is enabled and not active */
	PAGING	TABLE_GPA		/* compatibility mode */
	NO_PAGING
	mov	$MSR_EFER, %ecx
	rdmsr
	and	$~EFER_LME, %eax
	wrmsr
	PAGING	PAGING_PDPT_GPA
	mov	%cr3, %eax		/* the CPU loads the PDPTEs again */
	mov	%eax, %cr3
	NO_PAGING
	CR4_BIT	~CR4_PAE, and
	CR4_BIT	CR4_PSE, or
	PAGING	PAGING_PD_GPA
	NO_PAGING
	mov	%cr0, %eax
	and	$~1, %eax
	mov	%eax, %cr0
	hlt				/* an unrestricted guest comes here, in real mode */
GUEST_END paging
