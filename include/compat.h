/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything that differs between the kernels we build for (6.1 to 6.12), and
 * nothing else.  What a stable kernel may have backported is recognised by
 * the kernel's own macros where there are any, not by version.
 */
#ifndef VELLUM_COMPAT_H
#define VELLUM_COMPAT_H

#include <linux/version.h>

#ifndef __ASSEMBLY__

#include <asm/desc.h>
#include <asm/reboot.h>
#include <asm/tlbflush.h>

/* VMXOFF, also where VMX may not be on: eats the fault.  CR4.VMXE is clear afterwards. */
static inline void compat_vmxoff(void)
{
	asm goto("1: vmxoff\n\t"
		 _ASM_EXTABLE(1b, %l[off])
		 : : : "cc", "memory" : off);
off:
	cr4_clear_bits(X86_CR4_VMXE);
}

#endif

#endif
