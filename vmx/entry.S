/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Into the guest and out of it: one path for VMLAUNCH and VMRESUME.
 *
 * int vmx_enter(u64 *regs, u64 *host_rsp, bool launched)
 *
 * Loads the guest's general registers from @regs (enum vcpu_reg; RSP is the
 * VMCS's) and stores them there again after the exit.  *@host_rsp is what the
 * VMCS's HOST_RSP holds.  Interrupts off, the vCPU's VMCS current.
 * Returns 0 after a VM exit, VMX_ENTER_FAIL after VMfailValid, and
 * VMX_ENTER_INVALID after VMfailInvalid or a fault (VMX is off).
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/nospec-branch.h>
#include <asm/unwind_hints.h>

#include "enter.h"

/* Where x86_verw_sel's macros are older or newer, compile without what the kernel lacks. */
#ifdef VM_CLEAR_CPU_BUFFERS
#define CLEAR_BUFFERS_BEFORE_GUEST CLEAR_CPU_BUFFERS; VM_CLEAR_CPU_BUFFERS
#else
#define CLEAR_BUFFERS_BEFORE_GUEST CLEAR_CPU_BUFFERS
#endif

	.text

SYM_FUNC_START(vmx_enter)
	push	%rbp
	mov	%rsp, %rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rdi

	/* HOST_RSP changes when the thread's call depth does: hardly ever. */
	cmp	%rsp, (%rsi)
	je	.Lhost_rsp_is_right
	mov	$VMCS_HOST_RSP, %eax
.Lvmwrite:
	vmwrite	%rsp, %rax
	jbe	.Linvalid
	mov	%rsp, (%rsi)

.Lhost_rsp_is_right:
	/* Into CF, which neither MOV nor VERW changes. */
	bt	$0, %edx

	mov	%rdi, %rax
	mov	VCPU_RCX(%rax), %rcx
	mov	VCPU_RDX(%rax), %rdx
	mov	VCPU_RBX(%rax), %rbx
	mov	VCPU_RBP(%rax), %rbp
	mov	VCPU_RSI(%rax), %rsi
	mov	VCPU_RDI(%rax), %rdi
	mov	VCPU_R8(%rax), %r8
	mov	VCPU_R9(%rax), %r9
	mov	VCPU_R10(%rax), %r10
	mov	VCPU_R11(%rax), %r11
	mov	VCPU_R12(%rax), %r12
	mov	VCPU_R13(%rax), %r13
	mov	VCPU_R14(%rax), %r14
	mov	VCPU_R15(%rax), %r15
	mov	VCPU_RAX(%rax), %rax

	/* No data of the host's stays in the buffers that a guest can sample. */
	CLEAR_BUFFERS_BEFORE_GUEST

	jnc	.Lvmlaunch

	/* The CPU comes back at vmx_exit_point by HOST_RIP, with the stack of here. */
	UNWIND_HINT_SAVE
.Lvmresume:
	vmresume
	jmp	.Lnot_entered
.Lvmlaunch:
	vmlaunch
	jmp	.Lnot_entered

	_ASM_EXTABLE(.Lvmwrite, .Linvalid)
	_ASM_EXTABLE(.Lvmresume, .Linvalid)
	_ASM_EXTABLE(.Lvmlaunch, .Linvalid)

SYM_INNER_LABEL(vmx_exit_point, SYM_L_GLOBAL)
	UNWIND_HINT_RESTORE
	ENDBR

	push	%rax
	mov	8(%rsp), %rax
	pop	VCPU_RAX(%rax)
	mov	%rcx, VCPU_RCX(%rax)
	mov	%rdx, VCPU_RDX(%rax)
	mov	%rbx, VCPU_RBX(%rax)
	mov	%rbp, VCPU_RBP(%rax)
	mov	%rsi, VCPU_RSI(%rax)
	mov	%rdi, VCPU_RDI(%rax)
	mov	%r8, VCPU_R8(%rax)
	mov	%r9, VCPU_R9(%rax)
	mov	%r10, VCPU_R10(%rax)
	mov	%r11, VCPU_R11(%rax)
	mov	%r12, VCPU_R12(%rax)
	mov	%r13, VCPU_R13(%rax)
	mov	%r14, VCPU_R14(%rax)
	mov	%r15, VCPU_R15(%rax)
	xor	%ebx, %ebx

.Lout:
	/* Nothing of the guest's stays in a register for speculation to use. */
	xor	%eax, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%ebp, %ebp
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d

	/* Before the first RET: the guest may have filled the return stack buffer. */
	FILL_RETURN_BUFFER %rcx, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, \
			   X86_FEATURE_RSB_VMEXIT_LITE
#ifdef X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT
	CLEAR_BRANCH_HISTORY_VMEXIT
#endif

	mov	%ebx, %eax
	pop	%rdi
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET

.Lnot_entered:
	jc	.Linvalid
	mov	$VMX_ENTER_FAIL, %ebx
	jmp	.Lout
.Linvalid:
	mov	$VMX_ENTER_INVALID, %ebx
	jmp	.Lout
SYM_FUNC_END(vmx_enter)
