/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest hypervisor that knows nothing itself: it does one command after the other
 * of a script that its host wrote (l1.h). In: %rbp = mailbox of vCPU 0.
 */
#include "guest.h"
#include "l1.h"

/* After an instruction of VMX: what it left in RFLAGS. */
.macro DONE
	pushf
	pop	24(%rsi)
	jmp	.Lnext
.endm

.macro COMMAND number
	cmp	$\number, %eax
	jne	1f
.endm

GUEST l1
	.code64
	mov	%cr4, %rax
	or	$0x2000, %eax		/* VMXE */
	mov	%rax, %cr4
	mov	%cr0, %rax
	or	$0x20, %eax		/* NE */
	mov	%rax, %cr0
.Lbegin:
	mov	$SCRIPT_GPA - 8 * L1_WORDS, %esi
.Lnext:
	add	$8 * L1_WORDS, %rsi
	mov	(%rsi), %rax
	mov	8(%rsi), %rbx
	mov	16(%rsi), %rcx
	COMMAND	L1_END
	out	%al, $PORT_DONE
	jmp	.Lbegin
1:	COMMAND	L1_VMWRITE
	vmwrite	%rcx, %rbx
	DONE
1:	COMMAND	L1_VMREAD
	vmread	%rbx, %rcx
	mov	%rcx, 16(%rsi)
	DONE
1:	COMMAND	L1_ENTER
	mov	%rsi, L1_PLACE(%rbp)
	mov	%rbx, %rdi
	mov	L1_RAX(%rbp), %rax
	mov	L1_RBX(%rbp), %rbx
	mov	L1_RCX(%rbp), %rcx
	mov	L1_RDX(%rbp), %rdx
	test	%rdi, %rdi
	jnz	2f
	vmlaunch
	DONE
2:	vmresume
	DONE
1:	COMMAND	L1_VMCLEAR
	vmclear	8(%rsi)
	DONE
1:	COMMAND	L1_VMPTRLD
	vmptrld	8(%rsi)
	DONE
1:	COMMAND	L1_VMXON
	vmxon	8(%rsi)
	DONE
1:	COMMAND	L1_VMXOFF
	vmxoff
	DONE
1:	COMMAND	L1_HOST
	lea	.Lexit(%rip), %rcx
	mov	$L1_FIELD_HOST_RIP, %ebx
	vmwrite	%rcx, %rbx
	mov	$L1_FIELD_HOST_RSP, %ebx
	vmwrite	%rsp, %rbx
	DONE
1:	COMMAND	L1_STORE
	mov	%rcx, (%rbx)
	jmp	.Lnext
1:	COMMAND	L1_LOAD
	mov	(%rbx), %rcx
	mov	%rcx, 16(%rsi)
	jmp	.Lnext
1:	COMMAND	L1_INVEPT
	invept	(%rcx), %rbx
	DONE
1:	COMMAND	L1_VMPTRST
	vmptrst	16(%rsi)
	DONE
1:	COMMAND	L1_VMREAD_M
	vmread	%rbx, 16(%rsi)
	DONE
1:	COMMAND	L1_VMWRITE_M
	vmwrite	16(%rsi), %rbx
	DONE
1:	ud2				/* no such command */

/* Where L2's exits lead: its registers are in the CPU, but for RSP. */
.Lexit:
	mov	%rax, MBOX_GPA + L1_RAX
	mov	%rbx, MBOX_GPA + L1_RBX
	mov	%rcx, MBOX_GPA + L1_RCX
	mov	%rdx, MBOX_GPA + L1_RDX
	mov	$MBOX_GPA, %ebp
	mov	L1_PLACE(%rbp), %rsi
	movq	$L1_EXITED, 24(%rsi)
	jmp	.Lnext
GUEST_END l1
