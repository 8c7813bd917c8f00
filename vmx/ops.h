/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The VMX instructions.  Each may fail, because a guest or a caller led us
 * into state the CPU refuses, or because VMX was turned off under us (a
 * crashing kernel does that); none of that may harm the host.  So a failure
 * is told to vmx_insn_failed(), which names it and kills the VM, and reads
 * give 0.
 *
 * All of them need preemption to be off or the vCPU's preempt notifier to be
 * registered, so that the VMCS is the current one.
 */
#ifndef VELLUM_VMX_OPS_H
#define VELLUM_VMX_OPS_H

#include <asm/asm.h>

#include "types.h"
#include "vmcs_fields.h"

/* @what failed; @operand is a field, an address or a type.  Any context. */
void vmx_insn_failed(const char *what, u64 operand) __cold;

/* clang-format off */
static __always_inline u64 vmread(unsigned long field)
{
	u64 value;

	/* "volatile": GCC before 12.4 may drop an asm goto with outputs without it. */
	asm volatile goto("1: vmread %[field], %[value]\n\t"
			  "jbe %l[failed]\n\t"
			  _ASM_EXTABLE(1b, %l[failed])
			  : [value] "=r"(value)
			  : [field] "r"(field)
			  : "cc"
			  : failed);
	return value;
failed:
	vmx_insn_failed("VMREAD of field", field);
	return 0;
}

static __always_inline void vmwrite(unsigned long field, u64 value)
{
	asm goto("1: vmwrite %[value], %[field]\n\t"
		 "jbe %l[failed]\n\t"
		 _ASM_EXTABLE(1b, %l[failed])
		 :
		 : [field] "r"(field), [value] "rm"(value)
		 : "cc"
		 : failed);
	return;
failed:
	vmx_insn_failed("VMWRITE of field", field);
}

/* 0 or -EIO; for VMXON, VMCLEAR and VMPTRLD, whose operand is a physical address. */
#define VMX_PHYS_OP(name, insn)                                   \
	static inline int name(u64 pa)                            \
	{                                                         \
		asm goto("1: " insn " %[pa]\n\t"                  \
			 "jbe %l[failed]\n\t"                     \
			 _ASM_EXTABLE(1b, %l[failed])             \
			 :                                        \
			 : [pa] "m"(pa)                           \
			 : "cc", "memory"                         \
			 : failed);                               \
		return 0;                                         \
	failed:                                                   \
		return -EIO;                                      \
	}

VMX_PHYS_OP(vmxon, "vmxon")
VMX_PHYS_OP(vmclear, "vmclear")
VMX_PHYS_OP(vmptrld, "vmptrld")

struct invalidate_desc {
	u64 first;
	u64 second;
};

#define VMX_INVALIDATE_OP(name, insn, what)                                     \
	static inline void name(unsigned long type, u64 first, u64 second)     \
	{                                                                      \
		struct invalidate_desc desc = { first, second };               \
									       \
		asm goto("1: " insn " %[desc], %[type]\n\t"                    \
			 "jbe %l[failed]\n\t"                                  \
			 _ASM_EXTABLE(1b, %l[failed])                          \
			 :                                                     \
			 : [desc] "m"(desc), [type] "r"(type)                  \
			 : "cc", "memory"                                      \
			 : failed);                                            \
		return;                                                        \
	failed:                                                                \
		vmx_insn_failed(what, type);                                   \
	}

VMX_INVALIDATE_OP(invept, "invept", "INVEPT of type")
VMX_INVALIDATE_OP(invvpid, "invvpid", "INVVPID of type")

/* clang-format on */

#endif
